// Puts jobs into the queue `jobs`, and says what became of them.

import { Job, Queue, QueueEvents } from "bullmq";

const { hostname: host, port } = new URL(process.env.REDIS_URL);
const connection = { host, port: Number(port) };
const queue = new Queue("jobs", { connection });
const events = new QueueEvents("jobs", { connection });
await events.waitUntilReady();

const letter = { to: "Zoë", lines: ["Hello", "„quoted“ \\ 😀"] };
const good = await queue.add("send", letter, { priority: 4 });
const bad = await queue.add("fail", letter);
console.log(good.id);
console.log("result", JSON.stringify(await good.waitUntilFinished(events)));
await bad.waitUntilFinished(events).catch((error) => console.log("failed", error.message));
const { progress } = await Job.fromId(queue, good.id);
console.log("progress", JSON.stringify(progress));
await events.close();
await queue.close();
