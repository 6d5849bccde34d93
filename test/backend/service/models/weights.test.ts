import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { sizeOf } from "../../../../src/backend/graph/op";
import { exportModel } from "../../../../src/backend/exports/exportModel";
import magnitude from "../../../../src/backend/methods/magnitude";
import { models } from "../../../../src/backend/models/catalog";
import {
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  withRepresentations,
} from "../../../../src/backend/models/model";
import { type Checkpoint, writeCheckpoint } from "../../../../src/backend/checkpoints/checkpoint";
import type { HostTensors } from "../../../../src/backend/checkpoints/safetensors";
import type { Subject } from "../../../../src/protocol/service/models";
import { createUniform } from "../../../support/sampleValues";
import { drawModelTensors, createTinyShape } from "../../../support/subject";
import { Window } from "../window";
import { plainLab } from "../../../support/lab";

let window: Window;
beforeEach(async () => {
  window = await new Window().open();
});

function saved({ shape, tensors }: Checkpoint, name: string): Subject {
  const path = join(window.workspace, name);
  writeCheckpoint(path, { shape, tensors });
  return { kind: "path", path };
}

async function pruned(shape: ModelShape, tensors: HostTensors): Promise<Checkpoint> {
  return magnitude.apply({ shape, tensors }, magnitude.options.parse({ sparsity: 0.5 }), plainLab);
}

/** A picture as large as the matrix equals the matrix. */
async function matrix(
  subject: Subject,
  role: string,
  rows = 4096,
  columns = 256,
): Promise<readonly (number | null)[]> {
  return (await window.ask("weights.heatMap", { subject, role, rows, columns })).values;
}

function columnsOf(dense: Float32Array, outputs: number, from: number, to: number): number[] {
  return [...dense].filter((_, i) => i % outputs >= from && i % outputs < to);
}

describe.each(Object.keys(models))("the weights of %s", (family) => {
  it("match its matrices, as a whole and by part, before and after pruning", async () => {
    const shape = createTinyShape(family);
    const before = { shape, tensors: drawModelTensors(shape, 3) };
    const after = family === "kphi3" ? undefined : await pruned(shape, before.tensors);
    const roles: string[][] = [];
    for (const [i, checkpoint] of [before, after].entries()) {
      if (checkpoint === undefined) continue;
      const subject = saved(checkpoint, `checkpoint-${i}`);
      const listed = (await window.ask("weights.roles", { subject })).roles;
      roles.push(listed.map(({ role }) => role));
      const shapes = new Map(listed.map(({ role, shape: size }) => [role, size]));
      const source = (name: string) => checkpoint.tensors.get(name)!.data as Float32Array | Uint8Array;
      for (const { matrix: whole, stored, split } of listMatrixSlots(checkpoint.shape)) {
        const parts = whole.parts ?? [];
        for (const { matrix: own, representation, options } of stored) {
          const dense = representation.materialize(source, own, options);
          expect(shapes.get(own.role)).toEqual([own.inputs, own.outputs]);
          expect(await matrix(subject, own.role)).toEqual([...dense]);
          for (const { role, from, to } of split ? [] : parts)
            expect(await matrix(subject, role)).toEqual(columnsOf(dense, own.outputs, from, to));
        }
        if (!split) continue;
        const all = await matrix(subject, whole.role);
        for (const { role, from, to } of parts)
          expect(columnsOf(Float32Array.from(all as number[]), whole.outputs, from, to)).toEqual([
            ...(await matrix(subject, role)),
          ]);
      }
    }
    // Both models support the same requests.
    for (const listed of roles.slice(1)) expect([...listed].sort()).toEqual([...roles[0]!].sort());
  });
});

describe("histograms", () => {
  it("have common edges, every value once, the number of zeros of the pruning, and the moments of the values", async () => {
    const shape = createTinyShape("llama");
    const tensors = drawModelTensors(shape, 3);
    const subjects = [saved({ shape, tensors }, "before"), saved(await pruned(shape, tensors), "after")];
    const role = "layers.0.mlp.up_proj";
    const { distributions } = await window.ask("weights.histogram", { subjects, role, bins: 20 });
    const [before, after] = [distributions[0]!, distributions[1]!];
    expect(before.edges).toEqual(after.edges);
    expect(before.edges).toHaveLength(21);
    for (const [i, each] of distributions.entries()) {
      const values = (await matrix(subjects[i]!, role)) as number[];
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const deviation = Math.sqrt(
        values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length,
      );
      expect(each.bins.reduce((sum, bin) => sum + bin, 0)).toBe(values.length);
      expect(each).toMatchObject({
        count: values.length,
        min: Math.min(...values),
        max: Math.max(...values),
      });
      expect(each.mean).toBeCloseTo(mean, 10);
      expect(each.deviation).toBeCloseTo(deviation, 10);
      expect(each.zeros).toBe(values.filter((value) => value === 0).length);
      expect(each).not.toHaveProperty("notFinite");
    }
    expect(after.zeros).toBe(after.count / 2);
  });

  it("are not reduced to one bin by an outlier, and count non-numbers separately", async () => {
    const shape = createTinyShape("llama", { hidden_size: 64, intermediate_size: 96 });
    const tensors = new Map(drawModelTensors(shape, 3));
    const name = [...tensors.keys()].find((each) => each.includes("up_proj"))!;
    const { data, shape: size } = tensors.get(name)!;
    const changed = Float32Array.from(data as Float32Array);
    changed[17] = 1e6;
    changed[18] = NaN;
    changed[19] = -Infinity;
    tensors.set(name, { shape: size, data: changed });
    const subject = saved({ shape, tensors }, "broken");
    const role = "layers.0.mlp.up_proj";
    const { distributions } = await window.ask("weights.histogram", { subjects: [subject], role, bins: 30 });
    const { bins, max, notFinite, count } = distributions[0]!;
    expect({ max, notFinite, count }).toEqual({ max: 1e6, notFinite: 2, count: changed.length - 2 });
    expect(bins.filter((bin) => bin > 0).length).toBeGreaterThan(20);
    expect(bins.reduce((sum, bin) => sum + bin, 0)).toBe(count);
    const picture = await window.ask("weights.heatMap", { subject, role, rows: 1, columns: 1 });
    expect(picture).toEqual({ rows: 1, columns: 1, values: [null], shape: [64, 96] });
  });

  it("have a width for a constant, and exist for norms too", async () => {
    const shape = createTinyShape("llama");
    const subject = saved({ shape, tensors: drawModelTensors(shape, 3) }, "norms");
    const { roles } = await window.ask("weights.roles", { subject });
    const norm = roles.find(({ shape: size }) => size.length === 1)!;
    const tensors = new Map(drawModelTensors(shape, 3));
    for (const [name, { shape: size, data }] of tensors)
      if (size.length === 1) tensors.set(name, { shape: size, data: Float32Array.from(data, () => 1) });
    const constant = saved({ shape, tensors }, "constant");
    const { distributions } = await window.ask("weights.histogram", {
      subjects: [constant],
      role: norm.role,
      bins: 4,
    });
    expect(distributions[0]).toMatchObject({
      edges: [0.5, 0.75, 1, 1.25, 1.5],
      bins: [0, 0, 16, 0],
      deviation: 0,
    });
    const picture = await window.ask("weights.heatMap", {
      subject: constant,
      role: norm.role,
      rows: 9,
      columns: 4,
    });
    expect(picture).toEqual({ rows: 1, columns: 4, values: [1, 1, 1, 1], shape: [1, 16] });
  });
});

it("lists the smaller matrices that a matrix stores, with their own values", async () => {
  const [down, up] = ["layers.0.mlp.down_proj", "layers.0.mlp.up_proj"];
  const shape = withRepresentations(createTinyShape("llama"), {
    [down]: { type: "sliced", options: { inputs: 8 } },
    [up]: { type: "factored", options: { rank: 3 } },
    [`${up}.out`]: { type: "masked", options: {} },
  });
  const checkpoint = { shape, tensors: drawModelTensors(shape, 3) };
  const subject = saved(checkpoint, "pieces");
  const { roles } = await window.ask("weights.roles", { subject });
  const stored = new Map(
    roles.map(({ role, shape: size, representation }) => [role, [size, representation]]),
  );
  expect(stored.get(down)).toEqual([[24, 16], "sliced"]);
  expect(stored.get(`${down}.kept`)).toEqual([[8, 16], "dense"]);
  expect(stored.get(up)).toEqual([[16, 24], "factored of dense and masked"]);
  expect(stored.get(`${up}.out`)).toEqual([[3, 24], "masked"]);
  const whole = await matrix(subject, down);
  expect(await matrix(subject, `${down}.kept`)).toEqual(whole.slice(0, 8 * 16));
  const factor = checkpoint.tensors.get("model.layers.0.mlp.up_proj.weight_in")!.data;
  expect(await matrix(subject, `${up}.in`)).toEqual([...factor]);
});

describe("pictures", () => {
  it("show the value of largest magnitude of each rectangle, for any size", async () => {
    const shape = createTinyShape("gpt2", { vocab_size: 51 });
    const subject = saved({ shape, tensors: drawModelTensors(shape, 9) }, "picture");
    const { roles } = await window.ask("weights.roles", { subject });
    const random = createUniform(4);
    for (const { role, shape: size } of roles.filter((each) => each.shape.length === 2)) {
      const [height, width] = size as [number, number];
      const all = (await matrix(subject, role)) as number[];
      for (let i = 0; i < 4; i++) {
        const asked = { rows: 1 + Math.floor(random() * 60), columns: 1 + Math.floor(random() * 60) };
        const picture = await window.ask("weights.heatMap", { subject, role, ...asked });
        const { rows, columns } = picture;
        expect([rows, columns]).toEqual([Math.min(asked.rows, height), Math.min(asked.columns, width)]);
        const largest = new Array<number>(rows * columns).fill(0);
        for (const [k, value] of all.entries()) {
          const cell =
            Math.floor((Math.floor(k / width) * rows) / height) * columns +
            Math.floor(((k % width) * columns) / width);
          if (Math.abs(value) > Math.abs(largest[cell]!)) largest[cell] = value;
        }
        expect(picture.values).toEqual(largest);
      }
    }
  });
});

describe("requests", () => {
  it("work for folders of other programs and for runs, whose models have titles", async () => {
    const shape = createTinyShape("gpt2");
    const tensors = drawModelTensors(shape, 4);
    const path = join(window.workspace, "other");
    await exportModel({ shape, tensors }, { format: "safetensors" }, path);
    const role = "layers.0.attn.c_attn";
    const other = { kind: "path", path } as const;
    const { title, roles } = await window.ask("weights.roles", { subject: other });
    expect(title).toBe("other");
    const packed =
      roles.find(({ role: name }) => name.includes("c_attn") || name.includes("qkv"))?.role ?? role;
    expect(await matrix(other, packed)).toEqual(await matrix(saved({ shape, tensors }, "own"), packed));
    const run = await window.run("done", "my run");
    const folder = join(run, "steps", "0-compress");
    mkdirSync(folder, { recursive: true });
    writeCheckpoint(join(folder, "checkpoint"), { shape, tensors });
    writeFileSync(join(folder, "done.json"), '{"step":0,"checkpoint":"steps/0-compress/checkpoint"}');
    expect((await window.ask("weights.roles", { subject: { kind: "run", run } })).title).toBe("my run");
  });

  it("for something missing or too large are refused, with what exists", async () => {
    const shape = createTinyShape("llama");
    const subject = saved({ shape, tensors: drawModelTensors(shape, 4) }, "llama");
    const ask = (role: string, bins: number) =>
      window.ask("weights.histogram", { subjects: [subject], role, bins });
    await expect(ask("layers.0.mlp.up_prj", 4)).rejects.toThrow(
      /no role layers.0.mlp.up_prj.*nearest is layers.0.mlp.up_proj/,
    );
    await expect(ask("layers.0.mlp.up_proj", 1e9)).rejects.toMatchObject({ code: "invalid-input" });
    await expect(matrix(subject, "layers.0.mlp.up_proj", 1e6, 1e6)).rejects.toMatchObject({
      code: "invalid-input",
    });
    const plan = { kind: "plan", experiment: join(window.workspace, "a.lathe.md") } as const;
    await expect(matrix(plan, "x")).rejects.toThrow(
      /is only planned and has no weights yet. Run it, then choose the run/,
    );
  });

  it("stop soon after they are canceled, and do not block other requests meanwhile", async () => {
    const shape = createTinyShape("llama", { vocab_size: 60_000, hidden_size: 256 });
    const tensors = new Map(
      parametersOf(shape).map((spec) => [
        spec.name,
        { shape: spec.shape, data: new Float32Array(sizeOf(spec.shape)).fill(0.5) },
      ]),
    );
    const subject = saved({ shape, tensors }, "large");
    const { roles } = await window.ask("weights.roles", { subject });
    const role = roles.find(({ shape: size }) => size.includes(60_000))!.role;
    const controller = new AbortController();
    const asked = window.ask("weights.histogram", { subjects: [subject], role, bins: 50 }, controller.signal);
    let turns = 0;
    const timer = setInterval(() => ++turns === 2 && controller.abort(new Error("gone")), 1);
    await expect(asked).rejects.toThrow("gone");
    clearInterval(timer);
    expect(turns).toBeLessThan(10);
  });
});
