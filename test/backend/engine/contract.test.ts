/** The contract of engines, on every device available here. */
import { afterAll, describe, expect, it } from "vitest";
import type { Engine, Tensor } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { RuntimeTensor } from "../../../src/backend/engine/tensors";
import { constant, defineOp, input, type Value } from "../../../src/backend/graph/op";
import { add, cast, mul, sub } from "../../../src/backend/graph/ops/elementwise";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { runSteps, createTrainingStep, uploadStep } from "../../support/trainingStep";
import { torchSkipReason } from "../../support/torch";
import { webgpuSkipReason } from "../../support/webgpu";

const float = (shape: readonly number[]) => ({ dtype: "float32" as const, shape });
const floats = async (tensor: Tensor | undefined) => [...((await tensor!.read()) as Float32Array)];

for (const device of ["cpu", "webgpu", "torch:cpu"] as const)
  describe(device, () => {
    const missing = { cpu: undefined, webgpu: webgpuSkipReason, "torch:cpu": torchSkipReason }[device];
    const open = () => openEngine(device, { threads: 1 });
    if (missing !== undefined) console.log(`the contract of engines on ${device} is skipped: ${missing}`);
    // Starting PyTorch takes seconds, so the tests share one engine, except those that end it.
    let shared: Engine | undefined;
    const test = (name: string, body: (engine: Engine) => Promise<void>) =>
      it(name, async ({ skip }) => {
        skip(missing !== undefined, missing);
        await body((shared ??= await open()));
      });
    const testOnOwnEngine = (name: string, body: (engine: Engine) => Promise<void>) =>
      it(name, async ({ skip }) => {
        skip(missing !== undefined, missing);
        await using engine = await open();
        await body(engine);
      });
    afterAll(() => shared?.[Symbol.asyncDispose]());

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
      if (left instanceof RuntimeTensor)
        expect(left.ortTensor.location).toBe(device === "cpu" ? "cpu" : "gpu-buffer");
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

    testOnOwnEngine("refuses disposed objects", async (engine) => {
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

    testOnOwnEngine("releases everything in any order", async (engine) => {
      const { graph, state } = createTrainingStep();
      const program = await engine.compile(graph, { state });
      const { feeds } = await runSteps(program, state, uploadStep(engine), 2);
      await program[Symbol.asyncDispose]();
      expect(await floats(feeds.up)).toHaveLength(16 * 32);
      await using second = await open();
      await engine[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      feeds.up![Symbol.dispose]();
      if (device !== "cpu") await expect(feeds.down!.read()).rejects.toThrow(/disposed/);
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
        message: expect.stringMatching(/at node 3\.broken/) as string,
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
