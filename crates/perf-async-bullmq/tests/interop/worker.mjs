// Does jobs of the queue `jobs` until it is killed.

import { Worker } from "bullmq";

const { hostname: host, port } = new URL(process.env.REDIS_URL);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };

new Worker(
  "jobs",
  async (job) => {
    if (job.name === "fail") {
      throw new Error("no such address");
    }
    await job.updateProgress(50);
    return [job.data, job.opts.priority, job.opts.attempts];
  },
  { connection },
);
