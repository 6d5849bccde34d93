/**
 * A matrix product operator: a matrix as a chain of small cores (CompactifAI, Tomut et al. 2024). With two sites and a bond
 * dimension χ it is a sum of χ Kronecker products, W = Σ_k A_k ⊗ B_k (KnGPT2, Edalati et al. 2022).
 */
import * as z from "zod";
import type { Value } from "../graph/op";
import { matmul } from "../graph/ops/matmul";
import { reshape, transpose } from "../graph/ops/movement";
import { bondAxis, createPiece, defineComposite } from "./composite";
import type { Init, MatrixSpec } from "./representation";

export interface MpoOptions {
  /** Inputs and outputs of each site; their products are the inputs and outputs of the matrix. */
  readonly sites: readonly (readonly [inputs: number, outputs: number])[];
  /** Bond dimension between each site and the next. */
  readonly bonds: readonly number[];
}

/** One core of the chain; its tensor has the shape [left, inputs, outputs, right]. */
export interface Core {
  readonly name: string;
  readonly left: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly right: number;
  readonly scalars: number;
}

export function createCores({ name }: Pick<MatrixSpec, "name">, { sites, bonds }: MpoOptions): Core[] {
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

export function countCoreScalars(options: MpoOptions): number {
  return createCores({ name: "" }, options).reduce((total, { scalars }) => total + scalars, 0);
}

/** The largest useful bond dimensions: at most the number of entries on either side. */
export function computeWidestBonds(sites: MpoOptions["sites"]): number[] {
  const entries = sites.map(([inputs, outputs]) => inputs * outputs);
  const product = (sizes: readonly number[]) => sizes.reduce((all, size) => all * size, 1);
  return entries
    .slice(1)
    .map((_, k) => Math.min(product(entries.slice(0, k + 1)), product(entries.slice(k + 1))));
}

/** The index of each entry [i_1, o_1, …, i_N, o_N] in the matrix [i_1 ⋯ i_N, o_1 ⋯ o_N]. */
export function computeSiteOrder(sites: MpoOptions["sites"]): Uint32Array {
  const outputs = sites.reduce((all, [, siteOutputs]) => all * siteOutputs, 1);
  let [rowsLeft, columnsLeft] = sites.reduce(([m, n], [i, o]) => [m * i, n * o], [1, 1]);
  let places = Uint32Array.of(0);
  for (const [rows, columns] of sites) {
    [rowsLeft, columnsLeft] = [rowsLeft / rows, columnsLeft / columns];
    const size = rows * columns;
    const next = new Uint32Array(places.length * size);
    for (let i = 0; i < next.length; i++) {
      const [row, column] = [Math.floor((i % size) / columns), i % columns];
      next[i] = places[Math.floor(i / size)]! + row * rowsLeft * outputs + column * columnsLeft;
    }
    places = next;
  }
  return places;
}

/** Multiply-adds of the chain for one row of inputs. */
function computeChainCost(matrix: MatrixSpec, options: MpoOptions): number {
  let [rest, done, cost] = [matrix.inputs, 1, 0];
  for (const { inputs, outputs, scalars } of createCores(matrix, options)) {
    rest /= inputs;
    cost += rest * done * scalars;
    done *= outputs;
  }
  return cost;
}

/** Builds [inputs, outputs]: multiplies the cores, then reorders the entries. */
function buildMatrix(cores: readonly Value[], matrix: MatrixSpec, options: MpoOptions): Value {
  const { sites } = options;
  let [chain, entries] = [undefined as Value | undefined, 1];
  createCores(matrix, options).forEach(({ left, inputs, outputs, right }, k) => {
    const core = reshape(cores[k]!, { shape: [left, inputs * outputs * right] });
    chain = chain === undefined ? core : matmul(reshape(chain, { shape: [entries, left] }), core);
    entries *= inputs * outputs;
  });
  const perm = [...sites.map((_, k) => 2 * k), ...sites.map((_, k) => 2 * k + 1)];
  const places = reshape(chain!, { shape: sites.flat() });
  return reshape(transpose(places, { perm }), { shape: [matrix.inputs, matrix.outputs] });
}

/** Initializes the cores so that their product has the variance of the matrix. */
function createCoreInit({ init }: MatrixSpec, { sites, bonds }: MpoOptions): Init {
  if (init.kind !== "normal") return init;
  const paths = bonds.reduce((all, bond) => all * bond, 1);
  return { kind: "normal", std: (init.std ** 2 / paths) ** (0.5 / sites.length) };
}

export default defineComposite<MpoOptions>({
  title: "Matrix product operator",
  contents: "matrix product operators",
  worth:
    "With narrow bonds, the cores are applied one after the other, which reduces file size, memory and operations. With wide bonds, the matrix is rebuilt in every pass, so only the file is smaller.",
  options: z.strictObject({
    sites: z
      .array(z.tuple([z.int().min(1), z.int().min(1)]))
      .min(2)
      .max(8)
      .describe("Inputs and outputs of each core. Their products must equal those of the matrix."),
    bonds: z
      .array(z.int().min(1))
      .min(1)
      .max(7)
      .describe(
        "Bond dimension between each core and the next. With two cores, it is the number of Kronecker products in the sum.",
      ),
  }),
  refuses: ({ inputs, outputs }, { sites, bonds }) => {
    const [rows, columns] = sites.reduce(([m, n], [i, o]) => [m * i, n * o], [1, 1]);
    if (rows !== inputs || columns !== outputs)
      return `its sites multiply to ${rows} × ${columns}, but the matrix is ${inputs} × ${outputs}`;
    if (bonds.length !== sites.length - 1)
      return `${sites.length} sites need ${sites.length - 1} bonds, not ${bonds.length}`;
    const widest = computeWidestBonds(sites);
    const wide = bonds.findIndex((bond, k) => bond > widest[k]!);
    return wide === -1
      ? undefined
      : `bond ${wide + 1} is ${bonds[wide]!}, but the largest useful value is ${widest[wide]!}`;
  },
  // A core [left, inputs, outputs, right] is the matrix [left · inputs, outputs · right] of one product of the chain.
  pieces: (matrix, options) =>
    createCores(matrix, options).map(({ name, left, inputs, outputs, right }, k) =>
      createPiece(matrix, `core_${k + 1}`, {
        name: `${matrix.name}.core_${k + 1}`,
        weight: { name, shape: [left, inputs, outputs, right] },
        layout: "in_out",
        inputs: left * inputs,
        outputs: outputs * right,
        init: createCoreInit(matrix, options),
        axes: [bondAxis(left * inputs), bondAxis(outputs * right)],
      }),
    ),
  apply: (x, pieces, matrix, options, observed) => {
    // With wide bonds, the dense matrix needs fewer operations and less memory than the values between the cores.
    const cores = pieces.flatMap(({ dense }) => dense ?? []);
    const isWide = computeChainCost(matrix, options) > matrix.inputs * matrix.outputs;
    if (isWide && !observed && cores.length === pieces.length)
      return matmul(
        x,
        buildMatrix(
          cores.map((dense) => dense()),
          matrix,
          options,
        ),
      );
    const rows = x.type.shape[0]!;
    // Shape before each core: rows, its inputs, (remaining inputs and previous outputs), bond.
    let [chain, remaining] = [x, matrix.inputs];
    for (const [k, { left, inputs, outputs }] of createCores(matrix, options).entries()) {
      remaining /= inputs;
      const split = reshape(chain, { shape: [rows, inputs, remaining, left] });
      const permuted = reshape(transpose(split, { perm: [0, 2, 3, 1] }), {
        shape: [rows * remaining, left * inputs],
      });
      chain = pieces[k]!.apply(permuted);
      remaining *= outputs;
    }
    return reshape(chain, { shape: [rows, matrix.outputs] });
  },
  dense: (cores, matrix, options) => {
    const weight = buildMatrix(cores, matrix, options);
    return matrix.layout === "in_out" ? weight : transpose(weight, { perm: [1, 0] });
  },
  materialize: (cores, matrix, options) => {
    // [entries of the sites so far, bond] times [bond, entries of the next site and its bond], as in the graph.
    let [entries, chain] = [1, Float64Array.of(1)];
    for (const [k, { left, right, scalars }] of createCores(matrix, options).entries()) {
      const core = cores[k]!;
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
    computeSiteOrder(options.sites).forEach((place, i) => (out[place] = chain[i]!));
    return out;
  },
});
