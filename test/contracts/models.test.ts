/** The contract of every model family, on its smallest configuration. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { input, sizeOf, type Value } from "../../src/backend/graph/op";
import { mul } from "../../src/backend/graph/ops/elementwise";
import { sum } from "../../src/backend/graph/ops/reduction";
import { models } from "../../src/backend/models/catalog";
import {
  bindTensors,
  createExportedConfig,
  exportTensors,
  splitPacked,
} from "../../src/backend/models/huggingFace";
import { initialize } from "../../src/backend/models/initialize";
import {
  completeConfig,
  dimensionsOf,
  forward,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  partsOf,
  createShape,
  tensorsOf,
  withRepresentations,
} from "../../src/backend/models/model";
import { listCoupledGroups } from "../../src/backend/models/coupling";
import { findLayer } from "../../src/backend/models/roles";
import type { MatrixSpec } from "../../src/backend/representations/representation";
import { weightName } from "../../src/backend/representations/dense";
import { computeRelativeError, createUniform } from "../support/sampleValues";
import { drawTensors, createLookup, createValues } from "../support/tensors";

const folder = new URL("../../src/backend/models/", import.meta.url);
const [batch, time] = [2, 8];

it("is in the catalog for every file that defines one, under its model_type", () => {
  const files = readdirSync(folder).filter((file) =>
    readFileSync(new URL(file, folder), "utf8").includes("export default"),
  );
  expect(Object.keys(models).sort()).toEqual(files.map((file) => file.replace(".ts", "")).sort());
  for (const [name, { tiny }] of Object.entries(models)) expect(tiny["model_type"]).toBe(name);
});

/** Logits of a model with random or given tensors, for random or given tokens. */
function run(
  shape: ModelShape,
  tensors: ReadonlyMap<string, ArrayLike<number>>,
  feeds: Readonly<Record<string, readonly number[]>>,
  rows?: readonly number[],
): Float64Array {
  const values = createValues(parametersOf(shape));
  const logits = forward(
    shape,
    createLookup(values),
    {
      tokens: input("tokens", [batch, time], "int32"),
      ...("segments" in feeds ? { segments: input("segments", [batch, time], "int32") } : {}),
      ...("positions" in feeds ? { positions: input("positions", [batch, time], "int32") } : {}),
      ...("seed" in feeds ? { dropoutSeed: input("seed", [], "int32") } : {}),
    },
    rows === undefined ? {} : { rows: input("rows", [rows.length], "int32") },
  );
  return evaluateGraph(
    { outputs: { logits } },
    { ...Object.fromEntries(tensors), ...feeds, ...(rows === undefined ? {} : { rows }) },
  )["logits"]!;
}

describe.each(Object.entries(models))("%s", (_, { tiny }) => {
  const shape = createShape(tiny);
  const { vocabulary } = dimensionsOf(shape);
  const specs = parametersOf(shape);
  const tensors = drawTensors(specs, 21);
  const random = createUniform(22);
  const tokens = Array.from({ length: batch * time }, () => Math.floor(random() * vocabulary));
  const logits = run(shape, tensors, { tokens });
  const rowOf = (all: Float64Array, row: number) => all.subarray(row * vocabulary, (row + 1) * vocabulary);

  it("takes its vocabulary size from the tokenizer if the configuration leaves it out", () => {
    const { vocab_size: _size, ...open } = tiny;
    expect(createShape(completeConfig(open, vocabulary))).toEqual(shape);
    expect(() => createShape(open)).toThrow(/vocab_size/);
    expect(() => completeConfig(tiny, vocabulary + 1)).toThrow(/raise it to/);
  });

  it("is restored from its own configuration", () => {
    expect(createShape(shape.config)).toEqual(shape);
  });

  it("has tensors with unique names, and axes that match their size", () => {
    expect(new Set(specs.map(({ name }) => name)).size).toBe(specs.length);
    const axes = listMatrixSlots(shape).flatMap(({ matrix }) => [
      [matrix.axes[0], matrix.inputs] as const,
      [matrix.axes[1], matrix.outputs] as const,
      ...partsOf(matrix).map((part) => [part.axes[1], part.outputs] as const),
    ]);
    for (const { axes: own = [], shape: size } of specs)
      own.forEach((axis, i) => axes.push([axis, size[i]!]));
    for (const [{ units, unit }, size] of axes) expect(units * unit).toBe(size);
  });

  it("couples the heads and channels of every layer that shrink together, and everything as wide as the model", () => {
    const { layers, kvHeads, width } = dimensionsOf(shape);
    const groups = listCoupledGroups(shape);
    const purposes = (matrices: readonly MatrixSpec[]) => matrices.map(({ purpose }) => purpose);
    for (let layer = 0; layer < layers; layer++) {
      const heads = groups.find((group) => group.kind === "heads" && group.layer === layer)!;
      expect(heads.units).toBe(kvHeads);
      expect(purposes(heads.producers)).toEqual(["query", "key", "value"]);
      expect(purposes(heads.consumers)).toEqual(["attention output"]);
      const channels = groups.find((group) => group.kind === "channels" && group.layer === layer)!;
      expect(purposes(channels.consumers)).toEqual(["down"]);
      expect(purposes(channels.producers).at(-1)).toBe("up");
    }
    const [hidden, ...others] = groups.filter(({ kind }) => kind === "hidden");
    expect(others).toEqual([]);
    expect(hidden).toMatchObject({ units: width, layer: undefined });
    // Each matrix of the residual stream writes or reads it, and each norm has its width.
    const all = listMatrixSlots(shape).map(({ matrix }) => matrix);
    expect(purposes(hidden!.producers)).toEqual(
      purposes(all.filter(({ axes: [, output] }) => output.kind === "hidden")),
    );
    const norms = tensorsOf(shape).flatMap(({ name, axes = [] }) =>
      axes[0]?.kind === "hidden" ? [name] : [],
    );
    expect(hidden!.vectors).toEqual(norms);
    expect(norms.length).toBeGreaterThan(layers);
  });

  it("names exactly the tensors of a layer after it", () => {
    const { layerName } = models[shape.family]!;
    const { layers } = dimensionsOf(shape);
    expect(new Set(specs.map(({ layer }) => layer))).toEqual(
      new Set([undefined, ...Array.from({ length: layers }, (_, layer) => layer)]),
    );
    for (const { name, role, layer } of specs) {
      expect(findLayer(shape, role)).toBe(layer);
      for (let each = 0; each < layers; each++)
        expect(name.startsWith(`${layerName(each)}.`)).toBe(each === layer);
    }
  });

  it("has the layers and positions that the configuration keys it names specify", () => {
    const { keys } = models[shape.family]!;
    const { layers, context } = dimensionsOf(shape);
    const longer = Number(tiny[keys.context]) + 3;
    const changed = createShape({ ...tiny, [keys.layers]: layers + 1, [keys.context]: longer });
    expect(dimensionsOf(changed)).toMatchObject({ layers: layers + 1, context: context + 3 });
  });

  const isCausal = models[shape.family]!.mask === "causal";
  it(isCausal ? "does not let a token see a later one" : "lets every token see every other", () => {
    const last = tokens.map((id, i) => (i % time === time - 1 ? (id + 1) % vocabulary : id));
    const changed = run(shape, tensors, { tokens: last });
    for (let row = 0; row < batch * time; row++) {
      const error = computeRelativeError(rowOf(changed, row), rowOf(logits, row));
      if (!isCausal || row % time === time - 1) expect(error).toBeGreaterThan(isCausal ? 1e-3 : 0);
      else expect(error).toBe(0);
    }
  });

  it("gives two documents packed into a row the same logits as separately", () => {
    const lengths = [3, 5];
    const alone = lengths.map((length, document) => {
      const own = tokens.slice(document * 3, document * 3 + length);
      const others = new Array<number>(2 * time - length).fill(0);
      return run(shape, tensors, { tokens: [...own, ...others], segments: [...own.map(() => 1), ...others] });
    });
    const packed = run(shape, tensors, {
      tokens,
      segments: [1, 1, 1, 2, 2, 2, 2, 2, ...new Array<number>(time).fill(1)],
      positions: [0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7],
    });
    lengths.forEach((length, document) => {
      for (let i = 0; i < length; i++)
        expect(
          computeRelativeError(rowOf(packed, document * 3 + i), rowOf(alone[document]!, i)),
        ).toBeLessThan(1e-6);
    });
  });

  it("ignores padding on either side", () => {
    const plain = tokens.slice(0, 5);
    const others = new Array<number>(2 * time - 5).fill(0);
    const alone = run(shape, tensors, {
      tokens: [...plain, ...others.map(() => vocabulary - 1)],
      segments: [...plain.map(() => 1), ...others],
    });
    const padding = [0, 0, 0];
    const padded = run(shape, tensors, {
      tokens: [...padding, ...plain, ...plain, ...padding],
      segments: [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
      positions: [0, 0, 0, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 0, 0],
    });
    for (let i = 0; i < 5; i++) {
      expect(computeRelativeError(rowOf(padded, 3 + i), rowOf(alone, i))).toBeLessThan(1e-6);
      expect(computeRelativeError(rowOf(padded, time + i), rowOf(alone, i))).toBeLessThan(1e-6);
    }
    expect(padded.every(Number.isFinite)).toBe(true);
  });

  it("returns only the requested rows", () => {
    const some = run(shape, tensors, { tokens }, [7, 15]);
    expect(Array.from(some)).toEqual([...rowOf(logits, 7), ...rowOf(logits, 15)]);
  });

  it("uses dropout only with a seed and a rate", () => {
    expect(run(shape, tensors, { tokens, seed: [5] }).length).toBe(logits.length);
    const rates = Object.keys(models[shape.family]!.config.parse(tiny) as object).filter((key) =>
      /pdrop|dropout/.test(key),
    );
    const off = createShape({ ...tiny, ...Object.fromEntries(rates.map((key) => [key, 0])) });
    expect(Array.from(run(off, tensors, { tokens, seed: [5] }))).toEqual(Array.from(logits));
    const on = createShape({ ...tiny, ...Object.fromEntries(rates.map((key) => [key, 0.5])) });
    const [once, again, other] = [5, 5, 6].map((seed) => run(on, tensors, { tokens, seed: [seed] }));
    expect(Array.from(once!)).toEqual(Array.from(again!));
    expect(computeRelativeError(other!, once!)).toBeGreaterThan(1e-3);
    expect(computeRelativeError(once!, logits)).toBeGreaterThan(1e-3);
  });

  it("trains every tensor: each has a nonzero gradient", () => {
    const values = createValues(specs);
    const y = forward(shape, createLookup(values), { tokens: input("tokens", [batch, time], "int32") });
    const loss = sum(mul(y, y), { axes: [0, 1], keepDims: false });
    const found = gradients(loss, [...values.values()]);
    const outputs = Object.fromEntries(specs.map(({ name }, i) => [name, found[i]!]));
    const results = evaluateGraph({ outputs }, { ...Object.fromEntries(tensors), tokens });
    for (const { name } of specs)
      expect(
        results[name]!.some((each) => each !== 0),
        name,
      ).toBe(true);
  });

  it("reports layers and matrices to an observer", () => {
    const layers: [Value, Value][] = [];
    const seen: string[] = [];
    forward(
      shape,
      createLookup(createValues(specs)),
      { tokens: input("tokens", [batch, time], "int32") },
      {
        onLayer: (before, after) => layers.push([before, after]),
        onMatrix: (role, x, y) => {
          seen.push(role);
          expect([x.type.shape[0], y.type.shape[0]]).toEqual([batch * time, batch * time]);
        },
      },
    );
    expect(layers).toHaveLength(dimensionsOf(shape).layers);
    layers.slice(1).forEach(([before], i) => expect(before).toBe(layers[i]![1]));
    const projections = listMatrixSlots(shape).filter(({ matrix }) => matrix.kind !== "embedding");
    expect(seen.sort()).toEqual(projections.map(({ matrix }) => matrix.role).sort());
  });

  it("keeps its logits when packed matrices are stored in parts, and exports them packed", () => {
    const slots = listMatrixSlots({ ...shape, representations: {} });
    const dense = { ...shape, representations: {} };
    const whole = drawTensors(parametersOf(dense), 21);
    const apart = new Map(whole);
    for (const { matrix } of slots.filter(({ matrix: { parts } }) => parts !== undefined)) {
      const pieces = splitPacked(matrix, whole.get(weightName(matrix)) as Float32Array);
      apart.delete(weightName(matrix));
      for (const { name, data } of pieces) {
        apart.set(name, data);
        apart.set(`${name}_mask`, new Uint8Array(data.length).fill(1));
      }
    }
    const parts = slots.flatMap(({ matrix }) => partsOf(matrix).map(({ role }) => role));
    const choices = Object.fromEntries(parts.map((role) => [role, { type: "masked", options: {} }]));
    const split = withRepresentations(dense, choices);
    expect(computeRelativeError(run(split, apart, { tokens }), run(dense, whole, { tokens }))).toBeLessThan(
      1e-12,
    );
    if (shape.family === "kphi3") return;
    const exported = new Map(
      [...exportTensors(split, createLookup(apart))].map(({ name, data }) => [name, data]),
    );
    for (const { name, data } of exportTensors(dense, createLookup(whole)))
      expect(Array.from(exported.get(name)!)).toEqual(Array.from(data));
  });

  it("exports tensors that it can load, with or without prefix, and refuses others", () => {
    const exported = [...exportTensors(shape, createLookup(tensors))];
    const again = createShape(createExportedConfig(shape));
    const sizes = new Map(exported.map((each) => [each.name, each.shape]));
    const { bound } = bindTensors(again, "model.safetensors", sizes);
    expect([...bound.values()].sort()).toEqual([...tensors.keys()].sort());
    const { prefix } = models[shape.family]!;
    const bare = new Map([...sizes].map(([name, size]) => [name.replace(`${prefix}.`, ""), size]));
    expect(bindTensors(again, "model.safetensors", bare).bound.size).toBe(tensors.size);
    const [[first, size]] = sizes as unknown as [[string, number[]]];
    expect(() => bindTensors(again, "f", new Map([...sizes].slice(1)))).toThrow(`${first} is missing`);
    expect(bindTensors(again, "f", new Map([...sizes, ["x", [1]]])).skipped).toEqual(["x"]);
    const more = `${first.split(".").slice(0, -1).join(".")}.more`;
    const withMore = new Map([...sizes, [more, [1]]]);
    expect(() => bindTensors(again, "f", withMore)).toThrow(`${more} is not a tensor of this model`);
    expect(bindTensors(again, "f", withMore, { ignoreExtra: true }).skipped).toEqual([more]);
    const wrapped = new Map([...sizes].map(([name, each]) => [`module.${name}`, each]));
    expect(() => bindTensors(again, "f", wrapped)).toThrow('set strip_prefix: "module."');
    expect(() => bindTensors(again, "f", new Map([...sizes, [first, [...size, 1]]]))).toThrow(
      /where the model/,
    );
  });

  it("starts from the same weights for the same seed, tensor by tensor", () => {
    const once = initialize(shape, 7);
    for (const { name, shape: size, init } of specs) {
      const { data } = once.get(name)!;
      expect(data).toHaveLength(sizeOf(size));
      if (init.kind === "ones") expect(data.every((each) => each === 1)).toBe(true);
      if (init.kind === "zeros") expect(data.every((each) => each === 0)).toBe(true);
      if (init.kind === "uniform") expect(data.every((each) => Math.abs(each) <= init.bound)).toBe(true);
      expect(initialize(shape, 7).get(name)!.data).toEqual(data);
      if (init.kind === "normal" || init.kind === "uniform")
        expect(initialize(shape, 8).get(name)!.data).not.toEqual(data);
    }
  });
});
