/** A process that writes one checkpoint over the other until it is killed. What it writes follows from the step alone. */
import { writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import { numberedCheckpoint } from "./numberedCheckpoint";

const folder = process.argv[2]!;
for (let step = Number(process.argv[3]); ; step++) {
  writeCheckpoint(folder, numberedCheckpoint(step));
  if (step % 2 === 0) process.stdout.write(`${step}\n`);
}
