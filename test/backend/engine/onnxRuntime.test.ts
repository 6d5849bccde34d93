/** The engine on ONNX Runtime: the same contract on every device available here. */
import { describe, expect, it } from "vitest";
import type { Engine, Tensor } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/onnxRuntime";
import { RuntimeTensor } from "../../../src/backend/engine/tensors";
import { constant, defineOp, input, type Value } from "../../../src/backend/graph/op";
import { add, cast, mul, sub } from "../../../src/backend/graph/ops/elementwise";
import { gather } from "../../../src/backend/graph/ops/indexing";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { runSteps, createTrainingStep, uploadStep } from "../../support/trainingStep";
import { webgpuSkipReason } from "../../support/webgpu";

const float = (shape: readonly number[]) => ({ dtype: "float32" as const, shape });
const floats = async (tensor: Tensor | undefined) => [...((await tensor!.read()) as Float32Array)];

for (const device of ["cpu", "webgpu"] as const)
  describe(device, () => {
    const missing = device === "webgpu" ? webgpuSkipReason : undefined;
    const test = (name: string, body: (engine: Engine) => Promise<void>) =>
      it(name, async ({ skip }) => {
        skip(missing !== undefined, missing);
        await using engine = await openEngine(device);
        await body(engine);
      });

    test("computes a matrix product", async (engine) => {
      const a = input("a", [2, 2]);
      const b = input("b", [2, 2]);
      await using program = await engine.compile({ outputs: { y: matmul(a, b) } });
      using left = engine.upload(float([2, 2]), Float32Array.of(1, 2, 3, 4));
      using right = engine.upload(float([2, 2]), Float32Array.of(5, 6, 7, 8));
      expect(program.inputs).toEqual(["a", "b"]);
      expect(program.bytes).toBeGreaterThan(50);
      for (let run = 0; run < 3; run++) {
        using y = (await program.run({ a: left, b: right })).y!;
        expect(await floats(y)).toEqual([19, 22, 43, 50]);
      }
      expect(await floats(left)).toEqual([1, 2, 3, 4]);
      // A tensor that is fed repeatedly is uploaded once.
      expect(left instanceof RuntimeTensor && left.ortTensor.location).toBe(
        device === "cpu" ? "cpu" : "gpu-buffer",
      );
    });

    test("passes integers, booleans and scalars in and out", async (engine) => {
      const integers = input("integers", [3], "int32");
      const flags = input("flags", [3], "bool");
      const scale = input("scale", []);
      const as = (to: "float32" | "int32") => (value: Value) => cast(value, { to });
      const y = mul(add(as("float32")(integers), as("float32")(flags)), scale);
      await using program = await engine.compile({ outputs: { y, whole: as("int32")(y) } });
      const { y: real, whole } = await program.run({
        integers: engine.upload({ dtype: "int32", shape: [3] }, Int32Array.of(1, -2, 3)),
        flags: engine.upload({ dtype: "bool", shape: [3] }, Uint8Array.of(1, 0, 1)),
        scale: engine.upload(float([]), Float32Array.of(2)),
      });
      expect(await floats(real)).toEqual([4, -4, 8]);
      expect(await whole!.read()).toEqual(Int32Array.of(4, -4, 8));
    });

    test("replaces the state of a training step, and reads it back", async (engine) => {
      const { graph, state } = createTrainingStep();
      await using program = await engine.compile(graph, { state });
      const first = uploadStep(engine);
      const { losses, feeds } = await runSteps(program, state, first, 40);
      expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
      await expect(first.up!.read()).rejects.toThrow(/consumed/);
      const up = await floats(feeds.up);
      expect(up).toHaveLength(16 * 32);
      expect(await floats(feeds.up)).toEqual(up);
    });

    test("refuses bad feeds before they reach native code, and keeps working", async (engine) => {
      const { graph, state } = createTrainingStep();
      await using program = await engine.compile(graph, { state });
      const feeds = uploadStep(engine);
      const { up, ...withoutUp } = feeds;
      const bad: [Record<string, Tensor>, RegExp][] = [
        [withoutUp, /Missing a tensor for input up float32\[16,32\]/],
        [{ ...feeds, upp: up! }, /no input upp/],
        [{ ...feeds, x: up! }, /Input x is float32\[8,16\], but the tensor fed for it is float32\[16,32\]/],
        [
          { ...feeds, x: engine.upload({ dtype: "int32", shape: [8, 16] }, new Int32Array(128)) },
          /tensor fed for it is int32/,
        ],
        [{ ...feeds, "momentum.up": up! }, /share memory/],
      ];
      const disposed = engine.upload(float([8, 16]), new Float32Array(128));
      disposed[Symbol.dispose]();
      bad.push([{ ...feeds, x: disposed }, /disposed/]);
      await using other = await openEngine("cpu");
      bad.push([{ ...feeds, x: other.upload(float([8, 16]), new Float32Array(128)) }, /another engine/]);
      for (const [wrong, message] of bad)
        await expect(program.run(wrong)).rejects.toMatchObject({
          code: "internal",
          message: expect.stringMatching(message) as string,
        });
      expect((await runSteps(program, state, feeds, 2)).losses[1]).toBeGreaterThan(0);
    });

    test("refuses disposed objects", async (engine) => {
      const program = await engine.compile({ outputs: { y: add(input("x", [1]), input("z", [1])) } });
      const x = engine.upload(float([1]), Float32Array.of(1));
      const z = engine.upload(float([1]), Float32Array.of(1));
      const { y } = await program.run({ x, z });
      y![Symbol.dispose]();
      y![Symbol.dispose]();
      await expect(y!.read()).rejects.toThrow(/already disposed/);
      await program[Symbol.asyncDispose]();
      await program[Symbol.asyncDispose]();
      await expect(program.run({ x, z })).rejects.toThrow(/already disposed/);
      await engine[Symbol.asyncDispose]();
      expect(() => engine.upload(float([1]), Float32Array.of(1))).toThrow(/already disposed/);
      await expect(engine.compile({ outputs: { y: input("x", [1]) } })).rejects.toThrow(/already disposed/);
    });

    test("releases everything in any order", async (engine) => {
      const { graph, state } = createTrainingStep();
      const program = await engine.compile(graph, { state });
      const { feeds } = await runSteps(program, state, uploadStep(engine), 2);
      await program[Symbol.asyncDispose]();
      expect(await floats(feeds.up)).toHaveLength(16 * 32);
      await using second = await openEngine(device);
      await engine[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      feeds.up![Symbol.dispose]();
      if (device === "webgpu") await expect(feeds.down!.read()).rejects.toThrow(/disposed/);
      await using other = await second.compile(graph, { state });
      expect((await runSteps(other, state, uploadStep(second), 2)).losses).toHaveLength(2);
    });

    test("names the node if the runtime refuses a graph", async (engine) => {
      const broken = defineOp<[Value]>({
        name: "broken",
        onnx: "NoSuchOperator",
        infer: ([x]) => x,
        gradient: "stop",
        evaluate: ([x]) => x.data,
        samples: [],
      });
      const y = broken(add(input("x", [3]), constant(Float32Array.of(1, 2, 3), [3])));
      await expect(engine.compile({ outputs: { y } })).rejects.toMatchObject({
        code: "internal",
        message: expect.stringMatching(/at node 3\.broken\/NoSuchOperator/) as string,
      });
    });

    test("refuses a state that does not fit its graph", async (engine) => {
      const w = input("w", [2]);
      const graph = { outputs: { next: sub(w, input("g", [2])), wide: input("b", [4]) } };
      await expect(engine.compile(graph, { state: { nxt: "w" } })).rejects.toThrow(/no output nxt/);
      await expect(engine.compile(graph, { state: { next: "v" } })).rejects.toThrow(/v is not an input/);
      await expect(engine.compile(graph, { state: { wide: "w" } })).rejects.toThrow(/w is float32\[2\]/);
    });

    test("refuses arrays that do not fit their type", async (engine) => {
      expect(() => engine.upload(float([2]), new Float32Array(3))).toThrow(
        /Float32Array of length 2, not a Float32Array of length 3/,
      );
      expect(() => engine.upload(float([2]), new Int32Array(2))).toThrow(/not a Int32Array of length 2/);
    });
  });

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
