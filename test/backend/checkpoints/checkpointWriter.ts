/** A process that overwrites a checkpoint repeatedly until it is killed. The content depends only on the step. */
import { writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import { numberedCheckpoint } from "./numberedCheckpoint";

const folder = process.argv[2]!;
for (let step = Number(process.argv[3]); ; step++) {
  writeCheckpoint(folder, numberedCheckpoint(step));
  if (step % 2 === 0) process.stdout.write(`${step}\n`);
}
