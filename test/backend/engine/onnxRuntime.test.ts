/** The engine on ONNX Runtime: memory of its state, failed runs and devices. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { input } from "../../../src/backend/graph/op";
import { add } from "../../../src/backend/graph/ops/elementwise";
import { gather } from "../../../src/backend/graph/ops/indexing";
import { runSteps, createTrainingStep, uploadStep } from "../../support/trainingStep";
import { webgpuSkipReason } from "../../support/webgpu";

const float = (shape: readonly number[]) => ({ dtype: "float32" as const, shape });
const floats = async (tensor: Tensor | undefined) => [...((await tensor!.read()) as Float32Array)];

describe("state on the CPU", () => {
  it("gives the same bits over many steps in place and with two sets of buffers", async () => {
    await using engine = await openEngine("cpu");
    const { graph, state } = createTrainingStep({ clipped: true });
    await using inPlace = await engine.compile(graph, { state });
    await using twoSets = await engine.compile(graph, { state, inPlace: false });
    expect([...inPlace.inPlace].sort()).toEqual(["down", "momentum.down", "momentum.up", "up"]);
    expect(twoSets.inPlace).toEqual([]);
    const one = await runSteps(inPlace, state, uploadStep(engine), 300);
    const two = await runSteps(twoSets, state, uploadStep(engine), 300);
    expect(one.losses).toEqual(two.losses);
    for (const name of Object.values(state))
      expect(await one.feeds[name]!.read()).toEqual(await two.feeds[name]!.read());
  });

  it("gives the same bits if only part of the state can be in place", async () => {
    await using engine = await openEngine("cpu");
    const { graph, state } = createTrainingStep({ clipped: false });
    await using mixed = await engine.compile(graph, { state });
    await using twoSets = await engine.compile(graph, { state, inPlace: false });
    expect(mixed.inPlace).toHaveLength(3);
    const one = await runSteps(mixed, state, uploadStep(engine), 300);
    const two = await runSteps(twoSets, state, uploadStep(engine), 300);
    expect(one.losses).toEqual(two.losses);
  });

  it("alternates between two sets of buffers without a copy, and keeps one in place", async () => {
    await using engine = await openEngine("cpu");
    const { graph, state } = createTrainingStep({ clipped: true });
    for (const inPlace of [true, false]) {
      await using program = await engine.compile(graph, { state, inPlace });
      let feeds = uploadStep(engine);
      const buffers = new Set<unknown>();
      for (let step = 0; step < 6; step++) {
        buffers.add(await feeds.up!.read());
        ({ feeds } = await runSteps(program, state, feeds, 1));
      }
      expect(buffers.size).toBe(inPlace ? 1 : 2);
    }
  });
});

describe("a failed run", () => {
  it("reports the runtime's reason, and keeps the state that it has not begun to overwrite", async () => {
    await using engine = await openEngine("cpu");
    const [w, table, row] = [input("w", [1, 2]), input("table", [3, 2]), input("row", [1], "int32")];
    for (const inPlace of [true, false]) {
      const graph = { outputs: { next: add(w, gather(table, row)) } };
      await using program = await engine.compile(graph, { state: { next: "w" }, inPlace });
      const rowOf = (number: number) => engine.upload({ dtype: "int32", shape: [1] }, Int32Array.of(number));
      const feeds = {
        w: engine.upload(float([1, 2]), Float32Array.of(1, 2)),
        table: engine.upload(float([3, 2]), new Float32Array(6).fill(1)),
      };
      await expect(program.run({ ...feeds, row: rowOf(7) })).rejects.toMatchObject({
        code: "device-failed",
        message: expect.stringMatching(
          /cpu .*failed during a run: .*out of data bounds.*batch size/,
        ) as string,
      });
      const again = program.run({ ...feeds, row: rowOf(2) });
      if (inPlace) await expect(again).rejects.toThrow(/w was disposed, or consumed/);
      else expect(await floats((await again).next)).toEqual([2, 3]);
    }
  });
});

describe("state on WebGPU", () => {
  it("trains like the CPU", async ({ skip }) => {
    skip(webgpuSkipReason !== undefined, webgpuSkipReason);
    const { graph, state } = createTrainingStep();
    const losses: number[][] = [];
    for (const device of ["cpu", "webgpu"] as const) {
      await using engine = await openEngine(device);
      await using program = await engine.compile(graph, { state });
      expect(program.notices).toEqual([]);
      losses.push((await runSteps(program, state, uploadStep(engine), 20)).losses);
    }
    losses[0]!.forEach((loss, i) => expect(Math.abs(losses[1]![i]! / loss - 1)).toBeLessThan(1e-3));
  });

  it("reports operations that fall back to the CPU", async ({ skip }) => {
    skip(webgpuSkipReason !== undefined, webgpuSkipReason);
    await using engine = await openEngine("webgpu");
    const [a, b] = [input("a", [2], "int64"), input("b", [2], "int64")];
    await using program = await engine.compile({ outputs: { y: add(a, b) } });
    expect(program.notices).toEqual([
      "webgpu does not support some operations of this graph; they run on the CPU.",
    ]);
    const type = { dtype: "int64", shape: [2] } as const;
    const { y } = await program.run({
      a: engine.upload(type, BigInt64Array.of(1n, 2n)),
      b: engine.upload(type, BigInt64Array.of(3n, 2n ** 40n)),
    });
    expect(await y!.read()).toEqual(BigInt64Array.of(4n, 2n ** 40n + 2n));
  });
});
