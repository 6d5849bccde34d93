/** A thousand training steps do not increase the memory of the process. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { openEngine } from "../../../src/backend/engine/open";
import { runSteps, createTrainingStep, uploadStep } from "../../support/trainingStep";
import { webgpuSkipReason } from "../../support/webgpu";

const width = 64;
/** Weights and momentum of the step: the memory that a single leaked set of buffers costs in each step. */
const stateBytes = 2 * 4 * (width * 2 * width + 2 * width * 4);
const megabyte = 2 ** 20;
const boundBytes = 16 * megabyte;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/**
 * Memory of the process outside the JavaScript heap, whose size depends on the garbage collector and not on the engine.
 */
async function residentBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { rss, heapTotal, heapUsed } = process.memoryUsage();
  return rss - heapTotal + heapUsed;
}

describe("1,000 steps do not grow memory", () => {
  it("and a leak of one set of state would be noticed", () => {
    expect(1000 * stateBytes).toBeGreaterThan(2 * boundBytes);
  });

  // A process grows until it has warmed up: compiled code, arenas of the allocator, pools of the runtime.
  for (const [device, inPlace, warmUp] of [
    ["cpu", true, 1500],
    ["cpu", false, 500],
    ["webgpu", true, 400],
  ] as const)
    it(`on ${device}${device === "cpu" ? (inPlace ? ", in place" : ", in two sets") : ""}`, async ({
      skip,
    }) => {
      if (device === "webgpu") skip(webgpuSkipReason !== undefined, webgpuSkipReason);
      await using engine = await openEngine(device);
      const { graph, state } = createTrainingStep({ width });
      await using program = await engine.compile(graph, { state, inPlace });
      const warm = await runSteps(program, state, uploadStep(engine, { width }), warmUp);
      const before = await residentBytes();
      await runSteps(program, state, warm.feeds, 1000);
      const after = await residentBytes();
      const show = (bytes: number) => `${(bytes / megabyte).toFixed(1)} MiB`;
      console.log(`${device}: ${show(before)} after ${warmUp} steps, ${show(after)} after 1,000 more`);
      expect(after - before).toBeLessThan(boundBytes);
    }, 180_000);
});
