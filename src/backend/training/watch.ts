/**
 * Histograms of weights, gradients and activations, counted on the device by graphs of their own: the host reads only counts,
 * and the program that trains is the same with and without them.
 */
import {
  binCount,
  binsPerOctave,
  lowestExponent,
  type Spread,
  type WatchedTensor,
  zeroBin,
} from "../../protocol/watch";
import type { WatchedKind } from "../../schema/watch";
import type { Tensors } from "../engine/engine";
import type { Graph } from "../graph/graph";
import { constant, input, parameter, scalar, sizeOf, type Value } from "../graph/op";
import {
  abs,
  add,
  cast,
  div,
  equal,
  less,
  log,
  maximum,
  mul,
  neg,
  sub,
  where,
} from "../graph/ops/elementwise";
import { tally } from "../graph/ops/indexing";
import { concat, reshape, slice } from "../graph/ops/movement";
import { max, sum, sumSquares } from "../graph/ops/reduction";
import { generalizeRole, layerRole, layersOf } from "../models/roles";
import type { ParameterSpec } from "../representations/representation";
import type { MemorySavings } from "./memorySavings";
import type { Trainee } from "./trainee";
import {
  type BatchShape,
  buildLoss,
  buildLossAndGradients,
  gradientName,
  listTrainable,
  type NamedOutput,
} from "./trainStep";

/** Outputs, with one row per chunk: `watch_counts` [chunks, bins] and `watch_figures` [chunks, 4]. */
export interface WatchGraph extends Graph {
  readonly tensors: readonly WatchedTensor[];
  /** Sizes of the chunks of each tensor. */
  readonly chunks: readonly (readonly number[])[];
}

interface Source extends WatchedTensor {
  readonly value: Value;
}

export interface WatchedSpread {
  readonly tensor: WatchedTensor;
  readonly spread: Spread;
}

export interface WatchRecord {
  readonly step: number;
  /** The number of the record, from 0; a fraction for a last step between two records. */
  readonly turn: number;
  /** Whether it is the last step, which is recorded whatever its number. */
  readonly isLast: boolean;
  readonly spreads: readonly WatchedSpread[];
}

const largestNumber = 3.4028235e38;

/** Values of a tensor that are counted at a time: bounds the memory, and float32 counts them exactly. */
const chunkSize = 2 ** 22;

/** The trained weights, before the first step and after a step; undefined if there are none. */
export function buildWeightWatch(trainee: Pick<Trainee, "parameters">): WatchGraph | undefined {
  const sources = listTrainable(trainee).map((spec): Source => ({
    ...describeParameter("weights", spec),
    value: parameter(spec.name, spec.shape),
  }));
  return sources.length === 0 ? undefined : buildWatch(sources);
}

/**
 * Gradients and activations of a step, before its update. `summed` reads the gradients that `buildAccumulateStep` summed;
 * otherwise they are computed from the batch, which repeats the forward and the backward pass. Undefined if there are none.
 */
export function buildStepWatch(
  trainee: Trainee,
  batch: BatchShape,
  savings: MemorySavings,
  what: readonly WatchedKind[],
  summed: boolean,
): WatchGraph | undefined {
  const named: NamedOutput[] = [];
  const gradients: Source[] = [];
  const describe = (spec: ParameterSpec, value: Value) =>
    gradients.push({ ...describeParameter("gradients", spec), value });
  if (what.includes("gradients") && !summed) {
    const { specs, gradients: values } = buildLossAndGradients(trainee, batch, savings, true, named);
    specs.forEach((spec, i) => describe(spec, values[i]!));
  } else {
    if (what.includes("activations")) buildLoss(trainee, batch, savings, true, named);
    if (what.includes("gradients"))
      for (const spec of listTrainable(trainee)) describe(spec, input(gradientName(spec.name), spec.shape));
  }
  const activations = what.includes("activations") ? listActivations(trainee, named) : [];
  // ONNX Runtime first computes what the last row needs: the first layer's activations, and the last layer's gradients.
  const sources = [...gradients, ...activations.reverse()];
  return sources.length === 0 ? undefined : buildWatch(sources);
}

function describeParameter(what: WatchedKind, { name, role, layer }: ParameterSpec): WatchedTensor {
  const suffix = name.slice(name.lastIndexOf(".") + 1);
  return { what, name, role, ...pickLayer(layer), group: `${generalizeRole(role, layer)} ${suffix}` };
}

function listActivations({ shape }: Trainee, named: readonly NamedOutput[]): Source[] {
  const layers = shape === undefined ? new Map<string, number>() : layersOf(shape);
  let whole = 0;
  const seen = new Map<string, number>();
  return named.map(({ role, value }) => {
    const isLayer = role === layerRole(whole);
    const layer = isLayer ? whole++ : layers.get(role);
    // A matrix that is applied several times has a record for each time.
    const times = (seen.get(role) ?? 0) + 1;
    seen.set(role, times);
    const time = times === 1 ? "" : ` ${times}`;
    const group = isLayer ? "layers.*" : generalizeRole(role, layer);
    return {
      what: "activations",
      name: `${role}${time}`,
      role,
      ...pickLayer(layer),
      group: `${group}${time}`,
      value,
    };
  });
}

const pickLayer = (layer: number | undefined) => (layer === undefined ? {} : { layer });

export function buildWatch(sources: readonly Source[]): WatchGraph {
  const chunks = sources.map(({ value }) => splitChunks(value));
  const rows = chunks.flat().map(buildRow);
  const join = (values: readonly Value[]) => concat(...values, { axis: 0 });
  return {
    outputs: {
      watch_counts: join(rows.map(({ counts }) => counts)),
      watch_figures: join(rows.map(({ figures }) => figures)),
    },
    tensors: sources.map(({ value: _, ...tensor }) => tensor),
    chunks: chunks.map((each) => each.map(({ type }) => sizeOf(type.shape))),
  };
}

function splitChunks(tensor: Value): Value[] {
  const size = sizeOf(tensor.type.shape);
  const flat = reshape(tensor, { shape: [size] });
  if (size <= chunkSize) return [flat];
  return Array.from({ length: Math.ceil(size / chunkSize) }, (_, i) =>
    slice(flat, { axis: 0, start: i * chunkSize, end: Math.min(size, (i + 1) * chunkSize) }),
  );
}

/** Counts of the finite values; their mean, Σ (x − mean)² with zero for the others, least and greatest. */
function buildRow(chunk: Value): { readonly counts: Value; readonly figures: Value } {
  const all = { axes: [0], keepDims: false };
  const isFinite = equal(sub(chunk, chunk), scalar(0));
  const values = where(isFinite, chunk, scalar(0));
  const amounts = cast(isFinite, { to: "float32" });
  const mean = div(sum(values, all), maximum(sum(amounts, all), scalar(1)));
  const figures = [mean, sumSquares(sub(values, mean), all), neg(max(neg(values), all)), max(values, all)];
  return {
    counts: reshape(tally(findBins(values), amounts, { size: binCount }), { shape: [1, binCount] }),
    figures: concat(...figures.map((each) => reshape(each, { shape: [1, 1] })), { axis: 1 }),
  };
}

/** The bin of each value, int32. Bins are counted from zero outward, so that truncation is the same on both sides. */
function findBins(values: Value): Value {
  const octaves = mul(log(abs(values)), scalar(binsPerOctave / Math.LN2));
  // Slightly above an integer at the edges, where powers of two are.
  const place = maximum(add(octaves, scalar(1.0001 - lowestExponent * binsPerOctave)), scalar(0));
  const signed = where(less(values, scalar(0)), neg(place), place);
  return add(cast(signed, { to: "int32" }), constant(Int32Array.of(zeroBin), []));
}

/** Reads the results of a graph: a few thousand numbers per tensor. */
export async function readSpreads(
  { tensors, chunks }: WatchGraph,
  results: Tensors,
): Promise<WatchedSpread[]> {
  const counts = (await results.watch_counts!.read()) as Float32Array;
  const figures = (await results.watch_figures!.read()) as Float32Array;
  let row = 0;
  return tensors.map((tensor, i) => {
    const rows = chunks[i]!.map((size): Row => {
      const at = row++;
      const [mean, squares, min, max] = figures.subarray(at * 4, at * 4 + 4);
      const chunkCounts = counts.subarray(at * binCount, (at + 1) * binCount);
      const finite = chunkCounts.reduce((total, each) => total + each, 0);
      // Values that are not finite were taken for zero.
      const squared = squares! - (size - finite) * mean! ** 2;
      return { size, counts: chunkCounts, finite, mean: mean!, squares: squared, min: min!, max: max! };
    });
    return { tensor, spread: joinRows(rows) };
  });
}

interface Row {
  readonly size: number;
  readonly counts: Float32Array;
  readonly finite: number;
  readonly mean: number;
  readonly squares: number;
  readonly min: number;
  readonly max: number;
}

/** Joins the chunks of a tensor in double precision (Chan et al. 1979 for the deviation). */
function joinRows(rows: readonly Row[]): Spread {
  const total = (of: (row: Row) => number) => rows.reduce((sum, row) => sum + of(row), 0);
  const finite = total((row) => row.finite);
  const mean = finite === 0 ? 0 : total((row) => row.finite * row.mean) / finite;
  const squares = total((row) => Math.max(0, row.squares) + row.finite * (row.mean - mean) ** 2);
  const counts = Array.from({ length: binCount }, (_, bin) => total((row) => row.counts[bin]!));
  const first = counts.findIndex((each) => each > 0);
  // A sum or square may exceed single precision; files and messages have no infinity.
  const round = (each: number) =>
    Number.isFinite(each) ? Number(each.toPrecision(7)) : Math.sign(each) * largestNumber || 0;
  return {
    mean: round(mean),
    deviation: round(finite === 0 ? 0 : Math.sqrt(squares / finite)),
    min: round(Math.min(...rows.map(({ min }) => min))),
    max: round(Math.max(...rows.map(({ max: greatest }) => greatest))),
    notFinite: total(({ size }) => size) - finite,
    first: Math.max(0, first),
    counts: first < 0 ? [] : counts.slice(first, counts.findLastIndex((each) => each > 0) + 1),
  };
}
