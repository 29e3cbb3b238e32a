// Values as people type them, and back.
import { valueOf } from "perfkit/parts";

const SIZES = { b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30, tib: 2 ** 40 };
const TIMES = { ms: 0.001, s: 1, sec: 1, seconds: 1, m: 60, min: 60, minutes: 60, h: 3_600, hours: 3_600, d: 86_400, days: 86_400 };

/** What was typed as the plain value of the API, or `undefined` if it cannot be read. */
export function read(kind, typed) {
  if (kind === "switch") return typed === "on" || typed === true;
  if (kind === "choice") return typed;
  const clean = String(typed).replaceAll("\u00a0", " ").trim().toLowerCase();
  const units = kind === "bytes" ? SIZES : kind === "duration" ? TIMES : {};
  let sum = 0;
  let rest = clean;
  for (let part; rest && (part = /^([\d.]+(?:e[+-]?\d+)?)\s*([a-z]*)\s*/.exec(rest)); rest = rest.slice(part[0].length)) {
    const [, number, unit] = part;
    const size = unit === "" ? 1 : units[unit];
    if (size === undefined || Number.isNaN(Number(number))) return undefined;
    sum += Number(number) * size;
  }
  if (rest || !clean) return undefined;
  return kind === "bytes" ? Math.round(sum) : kind === "count" && !Number.isInteger(sum) ? undefined : sum;
}

/** The value as it is typed: exact, and spelled alike in every language. */
export function spelled(value, kind) {
  const units = kind === "bytes" ? [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 1024], ["B", 1]] : kind === "duration" ? [["h", 3_600], ["min", 60], ["s", 1], ["ms", 0.001]] : [];
  const [unit, size] = units.find(([, size]) => Number.isInteger(value / size)) ?? ["", 1];
  return kind === "duration" && value === 0 ? "0 s" : `${value / size} ${unit}`.trim();
}

export const EXAMPLES = { bytes: "Write a size, like 512 MiB.", duration: "Write a length of time, like 30 s or 5 min.", count: "Write a whole number.", number: "Write a number." };
/** Between what a knob can be turned. */
export const bounds = (knob) => (knob.min == null || knob.max == null ? "" : `${valueOf(knob.min, knob.kind)} to ${valueOf(knob.max, knob.kind)}`);
