/** Actual savings: the counts, file size, memory and time of a compressed model relative to the dense one. */
import * as z from "zod";
import { formatBytes, formatCount } from "../../protocol/quantities";
import { pack } from "../coding/pack";
import { dimensionsOf, matrixSlots } from "../models/model";
import { countModel } from "../models/accounting";
import { defineMetric, type EvaluationLab, type Subject } from "./metric";
import { denseCounterpart, denseShape, isDense, openPass, passMemory, peakGrowth } from "./passes";
import { quantileOf } from "../../statistics/resampling";

const options = z.strictObject({
  batch_size: z.int().min(1).default(8).describe("Texts per pass, for time and memory."),
  sequence_len: z.int().min(1).optional().describe("Tokens per text. The default is that of `latency`."),
  repeats: z
    .int()
    .min(3)
    .default(20)
    .describe("Timed passes of this model and of the dense model, which alternate."),
});
type Options = z.output<typeof options>;

export interface Saving {
  readonly what: string;
  readonly dense: number;
  readonly now: number;
  /** Remaining percentage of the dense model. */
  readonly percent: number;
}

export interface Savings {
  readonly rows: readonly Saving[];
  /** What each representation of a matrix saves, in a sentence that does not depend on the model's size. */
  readonly reasons: readonly string[];
  /** The reasons with their number of matrices, and the memory growth of the process. */
  readonly remarks: readonly string[];
}

export default defineMetric<Options, Savings>({
  title: "Actual savings",
  options,
  needs: [],
  changes: true,
  goals: {
    "savings/*": "minimize",
  },
  samples: [{ repeats: 3, batch_size: 2, sequence_len: 4 }],
  evaluate: async (subject, given, lab) => {
    const details = await measure(subject, given, lab);
    return {
      values: Object.fromEntries(
        details.rows.map(({ what, percent }) => [`savings/${what.replaceAll(" ", "_")}_percent`, percent]),
      ),
      lines: [
        ...details.rows.map(
          ({ what, dense, now, percent }) =>
            `${what}: ${shown(what, dense)} → ${shown(what, now)}, ${percent.toFixed(2)} % left`,
        ),
        ...details.remarks,
      ],
      details,
    };
  },
});

function shown(what: string, value: number): string {
  return what === "time" ? `${value.toFixed(2)} ms` : formatCount(Math.round(value));
}

async function measure(subject: Subject, given: Options, lab: EvaluationLab): Promise<Savings> {
  const { shape, tensors, file } = subject;
  const { total } = countModel(shape, {
    tensors: (name) => tensors.get(name)!.data as Float32Array | Uint8Array,
  });
  const dense = countModel(denseShape(shape)).total;
  const row = (what: string, before: number, now: number): Saving => ({
    what,
    dense: before,
    now,
    percent: (100 * now) / before,
  });
  const { context } = dimensionsOf(shape);
  const length = Math.min(
    context,
    given.sequence_len ?? subject.data?.train.layout.sequenceLength ?? Math.min(context, 256),
  );
  const [time, denseTime] = await times(subject, length, given, lab);
  const written = file?.bytes ?? [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  const memory = (of: Subject["shape"]) => passMemory(of, given.batch_size, length);
  const growth = (model: Pick<Subject, "shape" | "tensors">) =>
    peakGrowth(lab.engine, model, given.batch_size, length, lab.signal);
  const grown = [await growth(denseCounterpart(subject, lab.seed)), await growth(subject)];
  return {
    rows: [
      row("stored scalars", dense.stored, total.stored),
      row("stored bits", dense.bits, total.bits),
      row("file bytes", dense.bytes, written),
      row("packed file bytes", dense.bytes, packedBytes(subject)),
      row("memory bytes", memory(denseShape(shape)), memory(shape)),
      row("time", denseTime, time),
    ],
    reasons: reasonsOf(subject),
    remarks: [...remarksOf(subject), ...grownLine(grown)],
  };
}

/** Size of the weights in a lossless `packed` export, in bytes. */
function packedBytes(subject: Subject): number {
  const { tensors } = pack(subject, { dtype: "float32", entropyCoding: true });
  return [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
}

/** For a small model, the process already has enough memory, so the growth is not meaningful. */
function grownLine([dense, now]: readonly (number | undefined)[]): string[] {
  if (dense === undefined || now === undefined) return [];
  return [
    `Memory bytes are computed from the graph; the process grew by ${formatBytes(dense)} for the dense model and by ${formatBytes(now)} for this one.`,
  ];
}

async function times(
  subject: Subject,
  length: number,
  { batch_size: rows, repeats }: Options,
  lab: EvaluationLab,
): Promise<readonly [number, number]> {
  const { engine, seed, signal } = lab;
  await using pass = await openPass(engine, subject, rows, length);
  await using dense = await openPass(engine, denseCounterpart(subject, seed), rows, length);
  const [own, others]: [number[], number[]] = [[], []];
  for (let i = -2; i < repeats; i++) {
    const [time, denseTime] = [await pass.run(signal), await dense.run(signal)];
    if (i < 0) continue;
    own.push(time);
    others.push(denseTime);
    lab.progress(i + 1, repeats, "passes timed");
  }
  return [quantileOf(own, 0.5), quantileOf(others, 0.5)];
}

function reasonsOf({ shape }: Pick<Subject, "shape">): string[] {
  const all = matrixSlots(shape).flatMap(({ stored }) => stored.map(({ representation }) => representation));
  return [...new Set(all.flatMap(({ title, worth }) => (worth === undefined ? [] : [`${title}: ${worth}`])))];
}

function remarksOf({ shape }: Pick<Subject, "shape">): string[] {
  if (isDense(shape)) return ["Every matrix has its default representation, so there are no savings."];
  const seen = new Map<string, { matrices: number; scalars: number; worth: string }>();
  for (const { stored } of matrixSlots(shape))
    for (const { matrix, representation } of stored) {
      if (representation.worth === undefined) continue;
      const { title, worth } = representation;
      const before = seen.get(title) ?? { matrices: 0, scalars: 0, worth };
      seen.set(title, {
        worth,
        matrices: before.matrices + 1,
        scalars: before.scalars + matrix.inputs * matrix.outputs,
      });
    }
  const all = countModel(denseShape(shape)).total.stored;
  return [...seen].map(
    ([title, { matrices, scalars, worth }]) =>
      `${title}, ${matrices} matrices of ${((100 * scalars) / all).toFixed(1)} % of the dense model: ${worth}`,
  );
}
