// Assembles the dashboard's vendored files from the published packages in node_modules.
//
// `node vendor.mjs` writes them; `dashboard.test.mjs` only compares, so a vendored file that differs
// from what was published cannot pass. Each part stands in a scope of its own, verbatim apart from its
// import and export lines and its source map comment.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const vendorFolder = join(here, "../../../perf-server/dashboard/vendor");

/** The parts of ui.js, in the order in which they need each other. */
const PARTS = [
  { name: "preact", file: "preact/dist/preact.mjs", scope: "preact" },
  { name: "preact", file: "preact/hooks/dist/hooks.mjs", scope: "hooks" },
  { name: "@preact/signals-core", file: "@preact/signals-core/dist/signals-core.mjs", scope: "core" },
  { name: "@preact/signals", file: "@preact/signals/dist/signals.mjs", scope: "signals" },
  { name: "htm", file: "htm/dist/htm.mjs", scope: "htm" },
  { name: "uplot", file: "uplot/dist/uPlot.iife.min.js", scope: "plot" },
];
const SCOPES = { "preact": "preact", "preact/hooks": "hooks", "@preact/signals-core": "core" };
const EXPORTS = `
export const { Fragment, h, render } = preact;
export const { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } = hooks;
export const { batch, computed, effect, signal } = core;
export const { useComputed, useSignal, useSignalEffect } = signals;
export const html = htm.default.bind(h);
export const uPlot = plot.default;
`;

const published = (file) => readFileSync(join(here, "node_modules", file), "utf8");
const version = (name) => JSON.parse(published(`${name}/package.json`)).version;
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** `a as b, c` as the inside of an object pattern (import) or literal (export). */
function names(list, turned) {
  return list.split(",").map((item) => {
    const [from, to] = item.trim().split(/\s+as\s+/);
    if (!to) return from;
    return turned ? `${to}:${from}` : `${from}:${to}`;
  }).join(",");
}

function scoped(code) {
  return code
    .replace(/\/\/# sourceMappingURL=\S+\s*$/, "")
    .replace(/import\{([^}]*)\}from"([^"]+)";/g, (_, list, from) => `const{${names(list, false)}}=${SCOPES[from]};`)
    .replace(/export\{[^}]*\}from"[^"]+";/g, "")
    .replace(/export default (function|[\w$]+)/, (_, what) => (what === "function" ? "const $default=function" : `const $default=${what}`))
    .replace(/export\{([^}]*)\};?\s*$/, (_, list) => `return{${names(list, true)}};`)
    .trim();
}

/** The vendored files by name, with the version and hash of each part. */
export function assemble() {
  const parts = PARTS.map((part) => ({ ...part, version: version(part.name), code: published(part.file) }));
  const ui = [
    "// Assembled from published modules; README.md beside this file has versions and hashes, LICENSES the terms.",
    ...parts.map(({ name, version, scope, code }) => {
      let body = scoped(code);
      if (scope === "htm") body += "\nreturn{default:$default};";
      if (scope === "plot") body += "\nreturn{default:uPlot};";
      return `// ${name} ${version}\nconst ${scope}=(()=>{${body}})();`;
    }),
    EXPORTS.trim(),
    "",
  ].join("\n");
  return {
    files: { "ui.js": ui },
    parts: parts.map(({ name, file, version, code }) => ({ name, file, version, sha256: sha256(code) })),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { files, parts } = assemble();
  mkdirSync(vendorFolder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(vendorFolder, name), text);
  for (const { name, version, file, sha256 } of parts) console.log(`| ${name} | ${version} | \`${file}\` | \`${sha256}\` |`);
}
