/** The PyTorch process: how its failures and its end are reported, and what stays usable. */
import { readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine, Tensor } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { TorchProcess } from "../../../src/backend/engine/torch/torchProcess";
import { constant, input } from "../../../src/backend/graph/op";
import { add, mul } from "../../../src/backend/graph/ops/elementwise";
import { gather } from "../../../src/backend/graph/ops/indexing";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { torchSkipReason } from "../../support/torch";

if (torchSkipReason !== undefined) console.log(`the PyTorch process is skipped: ${torchSkipReason}`);

const float = (shape: readonly number[]) => ({ dtype: "float32" as const, shape });
const open = () => openEngine("torch:cpu", { threads: 1 });
const floats = async (tensor: Tensor | undefined) => [...((await tensor!.read()) as Float32Array)];

describe.skipIf(torchSkipReason !== undefined)("the PyTorch process", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await open();
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it("reports the operation that failed, and keeps the state unless it was to be freed early", async () => {
    const [w, table, row] = [input("w", [1, 2]), input("table", [3, 2]), input("row", [1], "int32")];
    for (const inPlace of [true, false]) {
      const graph = { outputs: { next: add(w, gather(table, row)) } };
      await using program = await engine.compile(graph, { state: { next: "w" }, inPlace });
      expect(program.inPlace).toEqual(inPlace ? ["w"] : []);
      const rowOf = (number: number) => engine.upload({ dtype: "int32", shape: [1] }, Int32Array.of(number));
      const feeds = {
        w: engine.upload(float([1, 2]), Float32Array.of(1, 2)),
        table: engine.upload(float([3, 2]), new Float32Array(6).fill(1)),
      };
      await expect(program.run({ ...feeds, row: rowOf(7) })).rejects.toMatchObject({
        code: "device-failed",
        message: expect.stringMatching(
          /torch:cpu .*failed during a run: .*out of range.* at node 3\.gather.*batch size/,
        ) as string,
      });
      expect(await floats(feeds.table)).toEqual([1, 1, 1, 1, 1, 1]);
      const again = program.run({ ...feeds, row: rowOf(2) });
      if (inPlace) await expect(again).rejects.toThrow(/w was disposed, or consumed/);
      else expect(await floats((await again).next)).toEqual([2, 3]);
    }
  });

  it("reports that memory ran out, and continues", async () => {
    const [column, row] = [input("column", [2 ** 22, 1]), input("row", [1, 2 ** 22])];
    await using program = await engine.compile({ outputs: { y: matmul(column, row) } });
    using left = engine.upload(float([2 ** 22, 1]), new Float32Array(2 ** 22));
    using right = engine.upload(float([1, 2 ** 22]), new Float32Array(2 ** 22));
    await expect(program.run({ column: left, row: right })).rejects.toMatchObject({
      code: "device-failed",
      message: expect.stringMatching(/memory.* at node 2\.matmul.*batch size/) as string,
    });
    expect((await left.read()).length).toBe(2 ** 22);
  });

  it.skipIf(process.platform === "win32")(
    "reports its death in the middle of a run as one error",
    async () => {
      await using other = await open();
      const size = [1500, 1500];
      const x = input("x", size);
      let y = x;
      for (let i = 0; i < 200; i++) y = matmul(x, y);
      const program = await other.compile({ outputs: { y } });
      const tensor = other.upload(float(size), new Float32Array(1500 * 1500));
      const running = program.run({ x: tensor });
      const { pid } = (other as unknown as { process: TorchProcess }).process;
      // The run has begun as soon as the process works.
      await expect.poll(() => readStat(pid!)).toMatch(/^R/);
      process.kill(pid!, "SIGKILL");
      const died = {
        code: "process-died",
        message: expect.stringMatching(
          /^The PyTorch process .* was killed by SIGKILL while it ran a graph\. .*Resume the run/,
        ) as string,
      };
      await expect(running).rejects.toMatchObject(died);
      // Whatever is tried afterwards reports the same.
      await expect(
        program.run({ x: other.upload(float(size), new Float32Array(1500 * 1500)) }),
      ).rejects.toMatchObject(died);
      await expect(other.compile({ outputs: { y: add(x, x) } })).rejects.toMatchObject(died);
      await program[Symbol.asyncDispose]();
    },
  );

  it.skipIf(process.platform !== "linux")(
    "frees state as soon as it is read, and keeps no memory",
    async () => {
      await using other = await open();
      const { pid } = (other as unknown as { process: TorchProcess }).process;
      const size = [2 ** 12, 2 ** 12];
      const mebibytes = 64;
      const names = ["a", "b", "c", "d"];
      const half = constant(Float32Array.of(0.5), []);
      const graph = {
        outputs: Object.fromEntries(names.map((name) => [`${name}.next`, mul(input(name, size), half)])),
      };
      const state = Object.fromEntries(names.map((name) => [`${name}.next`, name]));
      const peaks: number[] = [];
      for (const inPlace of [true, false]) {
        await using program = await other.compile(graph, { state, inPlace });
        let feeds = Object.fromEntries(
          names.map((name) => [name, other.upload(float(size), new Float32Array(2 ** 24).fill(1))]),
        );
        for (let step = 0; step < 6; step++) {
          const next = await program.run(feeds);
          feeds = Object.fromEntries(names.map((name) => [name, next[`${name}.next`]!]));
        }
        expect(((await feeds.d!.read()) as Float32Array)[7]).toBe(1 / 64);
        for (const tensor of Object.values(feeds)) tensor[Symbol.dispose]();
        peaks.push(readPeakMebibytes(pid!));
      }
      // Four tensors of state; without early release a run needs four more, with it one.
      expect(peaks[1]! - peaks[0]!).toBeGreaterThan(2.5 * mebibytes);
      expect(peaks[1]! - peaks[0]!).toBeLessThan(3.5 * mebibytes);
    },
  );

  it("reports a process that ends before PyTorch is loaded, with its last message", async () => {
    const options = { python: process.env.LATHE_PYTHON!, launch: { device: "nowhere", threads: 1 } };
    await expect(TorchProcess.start(options)).rejects.toMatchObject({
      code: "process-died",
      message: expect.stringMatching(
        /ended with status 1 while it loaded PyTorch\. Its last message: .*nowhere/,
      ) as string,
    });
  });

  it("ends when Lathe does", async () => {
    const other = await open();
    const { pid } = (other as unknown as { process: TorchProcess }).process;
    await other[Symbol.asyncDispose]();
    expect(() => process.kill(pid!, 0)).toThrow(/ESRCH/);
  });
});

/** The state of a process, such as `R` for running. */
function readStat(pid: number): string {
  return execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).trim();
}

function readPeakMebibytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
}
