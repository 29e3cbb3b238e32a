// A thousand no-ops with a priority and a time-out each, through p-queue and through BullMQ with a
// Redis of its own: nanoseconds per operation, medians of interleaved rounds. Every answer is
// added up.
//
// npm ci && node queues.mjs [rounds]

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Queue, QueueEvents, Worker } from "bullmq";
import PQueue from "p-queue";

const OPERATIONS = 1_000;
const CONCURRENCY = 64;
const rounds = Number(process.argv[2] ?? 9);
const expected = (OPERATIONS * (OPERATIONS - 1)) / 2;

function check(subject, sum) {
  if (sum !== expected) throw new Error(`${subject}: the answers add up to ${sum}, not ${expected}`);
}

/** The nanoseconds that one operation takes. */
async function timed(subject, run) {
  const start = process.hrtime.bigint();
  const sum = await run();
  const took = process.hrtime.bigint() - start;
  check(subject, sum);
  return Number(took) / OPERATIONS;
}

async function pQueue() {
  const queue = new PQueue({ concurrency: CONCURRENCY, timeout: 30_000 });
  const answers = [];
  for (let i = 0; i < OPERATIONS; i++) {
    answers.push(queue.add(async () => i, { priority: i % 10 }));
  }
  let sum = 0;
  for (const answer of answers) sum += await answer;
  return sum;
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const folder = mkdtempSync(join(tmpdir(), "perfkit-queues-"));
const port = await freePort();
const flags = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
const redis = spawn("redis-server", flags.map(String), { stdio: ["ignore", "pipe", "inherit"] });
try {
  await new Promise((resolve, reject) => {
    redis.once("error", reject);
    redis.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
    redis.stdout.on("data", (text) => {
      if (String(text).includes("Ready to accept connections")) resolve();
    });
  });
  const connection = { host: "127.0.0.1", port };
  const queue = new Queue("no-ops", { connection });
  const events = new QueueEvents("no-ops", { connection });
  const worker = new Worker("no-ops", async (job) => job.data, { connection, concurrency: CONCURRENCY });
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()]);

  let sum = 0;
  let left = 0;
  let done = () => {};
  events.on("completed", ({ returnvalue }) => {
    sum += Number(returnvalue);
    left -= 1;
    if (left === 0) done();
  });
  // BullMQ has no time-out of a job, and its `waitUntilFinished` costs a round trip each: it is
  // spared both.
  const bullmq = async () => {
    const jobs = [];
    for (let i = 0; i < OPERATIONS; i++) {
      jobs.push({ name: "no-op", data: i, opts: { priority: 1 + (i % 10), removeOnComplete: true } });
    }
    [sum, left] = [0, OPERATIONS];
    const all = new Promise((resolve) => (done = resolve));
    await queue.addBulk(jobs);
    await all;
    return sum;
  };

  const subjects = { "p-queue": pQueue, bullmq };
  const figures = Object.fromEntries(Object.keys(subjects).map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(subjects)) {
      const figure = await timed(name, run);
      if (round > 0) figures[name].push(figure);
    }
  }
  console.log("case      subject  metric     median     min     max");
  for (const [name, all] of Object.entries(figures)) {
    all.sort((a, b) => a - b);
    const cells = [all[all.length >> 1], all[0], all.at(-1)].map((figure) => figure.toFixed(0).padStart(7));
    console.log(`thousand  ${name.padEnd(7)}  ns_per_op  ${cells.join(" ")}`);
  }
  await worker.close();
  await events.close();
  await queue.close();
} finally {
  redis.removeAllListeners("exit");
  redis.kill();
  rmSync(folder, { recursive: true, force: true });
}
