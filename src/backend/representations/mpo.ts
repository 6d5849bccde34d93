/**
 * A matrix as a chain of small cores, a matrix product operator (CompactifAI, Tomut et al. 2024). Of two sites with a bond of χ
 * it is exactly a sum of χ Kronecker products, W = Σ_k A_k ⊗ B_k (KnGPT2, Edalati et al. 2022).
 */
import * as z from "zod";
import type { Value } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import { reshape, transpose } from "../graph/ops/movement";
import { asFloats } from "./dense";
import {
  defineRepresentation,
  type Init,
  type MatrixSpec,
  type ValueSource,
  weightSpec,
} from "./representation";

export interface MpoOptions {
  /** Inputs and outputs of each site; their products are those of the matrix. */
  readonly sites: readonly (readonly [inputs: number, outputs: number])[];
  /** How many paths lead from each site to the next. */
  readonly bonds: readonly number[];
}

/** One link of the chain: its tensor has the shape [left, inputs, outputs, right]. */
export interface Core {
  readonly name: string;
  readonly left: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly right: number;
  readonly scalars: number;
}

export function coresOf({ name }: Pick<MatrixSpec, "name">, { sites, bonds }: MpoOptions): Core[] {
  return sites.map(([inputs, outputs], k) => {
    const [left, right] = [bonds[k - 1] ?? 1, bonds[k] ?? 1];
    return {
      name: `${name}.weight_${k + 1}`,
      left,
      inputs,
      outputs,
      right,
      scalars: left * inputs * outputs * right,
    };
  });
}

export function scalarsOf(options: MpoOptions): number {
  return coresOf({ name: "" }, options).reduce((total, { scalars }) => total + scalars, 0);
}

/** The largest bonds of use: no more than the entries on either side of them. */
export function widestBonds(sites: MpoOptions["sites"]): number[] {
  const entries = sites.map(([inputs, outputs]) => inputs * outputs);
  const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);
  return entries
    .slice(1)
    .map((_, k) => Math.min(product(entries.slice(0, k + 1)), product(entries.slice(k + 1))));
}

/** Where each entry [i_1, o_1, …, i_N, o_N] lies in the matrix [i_1 ⋯ i_N, o_1 ⋯ o_N]. */
export function placesBySite(sites: MpoOptions["sites"]): Uint32Array {
  const outputs = sites.reduce((all, [, own]) => all * own, 1);
  let [rowsLeft, columnsLeft] = sites.reduce(([m, n], [i, o]) => [m * i, n * o], [1, 1]);
  let places = Uint32Array.of(0);
  for (const [rows, columns] of sites) {
    [rowsLeft, columnsLeft] = [rowsLeft / rows, columnsLeft / columns];
    const own = rows * columns;
    const next = new Uint32Array(places.length * own);
    for (let i = 0; i < next.length; i++) {
      const [row, column] = [Math.floor((i % own) / columns), i % columns];
      next[i] = places[Math.floor(i / own)]! + row * rowsLeft * outputs + column * columnsLeft;
    }
    places = next;
  }
  return places;
}

/** Multiplications and additions for one row of inputs, site after site. */
function chainCost(matrix: MatrixSpec, options: MpoOptions): number {
  let [rest, done, cost] = [matrix.inputs, 1, 0];
  for (const { inputs, outputs, scalars } of coresOf(matrix, options)) {
    rest /= inputs;
    cost += rest * done * scalars;
    done *= outputs;
  }
  return cost;
}

/** [inputs, outputs]: core after core, and then every entry to its place. */
function assembled(values: ValueSource, matrix: MatrixSpec, options: MpoOptions): Value {
  const { sites } = options;
  let [chain, entries] = [undefined as Value | undefined, 1];
  for (const { name, left, inputs, outputs, right } of coresOf(matrix, options)) {
    const core = reshape(values(name), { shape: [left, inputs * outputs * right] });
    chain = chain === undefined ? core : matmul(reshape(chain, { shape: [entries, left] }), core);
    entries *= inputs * outputs;
  }
  const perm = [...sites.map((_, k) => 2 * k), ...sites.map((_, k) => 2 * k + 1)];
  const places = reshape(chain!, { shape: sites.flat() });
  return reshape(transpose(places, { perm }), { shape: [matrix.inputs, matrix.outputs] });
}

/** Cores whose product varies as the matrix itself would. */
function initOf({ init }: MatrixSpec, { sites, bonds }: MpoOptions): Init {
  if (init.kind !== "normal") return init;
  const paths = bonds.reduce((all, bond) => all * bond, 1);
  return { kind: "normal", std: (init.std ** 2 / paths) ** (0.5 / sites.length) };
}

export default defineRepresentation<MpoOptions>({
  title: "Matrix product operator",
  worth:
    "The cores are stored, and multiplied one after the other while their bonds are narrow: file, memory and operations shrink. Of wide bonds the matrix is put together for every pass, so that only the file is smaller.",
  options: z.strictObject({
    sites: z
      .array(z.tuple([z.int().min(1), z.int().min(1)]))
      .min(2)
      .max(8)
      .describe("Inputs and outputs of each core; multiplied they are those of the matrix."),
    bonds: z
      .array(z.int().min(1))
      .min(1)
      .max(7)
      .describe("Paths between a core and the next; between two cores, Kronecker products that are added."),
  }),
  refuses: ({ inputs, outputs }, { sites, bonds }) => {
    const [rows, columns] = sites.reduce(([m, n], [i, o]) => [m * i, n * o], [1, 1]);
    if (rows !== inputs || columns !== outputs)
      return `its sites make ${rows} × ${columns}, and it is ${inputs} × ${outputs}`;
    if (bonds.length !== sites.length - 1)
      return `${sites.length} sites have ${sites.length - 1} bonds between them, and there are ${bonds.length}`;
    const widest = widestBonds(sites);
    const wide = bonds.findIndex((bond, k) => bond > widest[k]!);
    return wide === -1
      ? undefined
      : `bond ${wide + 1} is ${bonds[wide]!}, and no more than ${widest[wide]!} can be of use`;
  },
  parameters: (matrix, options) =>
    coresOf(matrix, options).map(({ name, left, inputs, outputs, right }) =>
      weightSpec(
        matrix,
        name.slice(matrix.name.length + 1),
        [left, inputs, outputs, right],
        initOf(matrix, options),
      ),
    ),
  apply: (x, values, matrix, options) => {
    // Over wide bonds the matrix itself is multiplied in fewer operations, and holds less than the values between the cores.
    if (chainCost(matrix, options) > matrix.inputs * matrix.outputs)
      return matmul(x, assembled(values, matrix, options));
    const rows = x.type.shape[0]!;
    // Before each core: rows, its inputs, inputs of the cores to come with outputs of those before, and the bond.
    let [chain, others] = [x, matrix.inputs];
    for (const { name, left, inputs, outputs, right } of coresOf(matrix, options)) {
      others /= inputs;
      const split = reshape(chain, { shape: [rows, inputs, others, left] });
      const turned = reshape(transpose(split, { perm: [0, 2, 3, 1] }), {
        shape: [rows * others, left * inputs],
      });
      chain = matmul(turned, reshape(values(name), { shape: [left * inputs, outputs * right] }));
      others *= outputs;
    }
    return reshape(chain, { shape: [rows, matrix.outputs] });
  },
  dense: (values, matrix, options) => {
    const weight = assembled(values, matrix, options);
    return matrix.layout === "in_out" ? weight : transpose(weight, { perm: [1, 0] });
  },
  materialise: (tensors, matrix, options) => {
    // [entries of the sites so far, bond] times [bond, entries of the next site and its bond], as in the graph.
    let [entries, chain] = [1, Float64Array.of(1)];
    for (const { name, left, right, scalars } of coresOf(matrix, options)) {
      const core = asFloats(name, tensors(name));
      const width = scalars / left;
      const grown = new Float64Array(entries * width);
      for (let entry = 0; entry < entries; entry++)
        for (let bond = 0; bond < left; bond++) {
          const factor = chain[entry * left + bond]!;
          for (let j = 0, to = entry * width, from = bond * width; j < width; j++, to++, from++)
            grown[to]! += factor * core[from]!;
        }
      [entries, chain] = [(entries * width) / right, grown];
    }
    const out = new Float32Array(matrix.inputs * matrix.outputs);
    placesBySite(options.sites).forEach((place, i) => (out[place] = chain[i]!));
    return out;
  },
});
