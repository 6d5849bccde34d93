/** Actual savings: the counts, file size, memory and time of a compressed model relative to the dense one. */
import * as z from "zod";
import { formatBytes, formatCount } from "../../protocol/quantities";
import { pack } from "../coding/pack";
import { dimensionsOf, listMatrixSlots } from "../models/model";
import { countModel } from "../models/accounting";
import { listWithPieces } from "../models/weights";
import type { StoredPiece } from "../representations/representation";
import { defineMetric, type EvaluationLab, type Subject } from "./metric";
import {
  createDenseCounterpart,
  createDenseShape,
  isDense,
  openPass,
  estimatePassMemory,
  measurePeakGrowth,
} from "./passes";
import { computeQuantile } from "../../statistics/resampling";

const optionsSchema = z.strictObject({
  batch_size: z.int().min(1).default(8).describe("Texts per pass, for time and memory."),
  sequence_len: z.int().min(1).optional().describe("Tokens per text. The default is that of `latency`."),
  repeats: z
    .int()
    .min(3)
    .default(20)
    .describe("Timed passes of this model and of the dense model, which alternate."),
});
type Options = z.output<typeof optionsSchema>;

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
  options: optionsSchema,
  needs: [],
  inference: "any",
  changes: true,
  goals: {
    "savings/*": "minimize",
  },
  samples: [{ repeats: 3, batch_size: 2, sequence_len: 4 }],
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    return {
      values: Object.fromEntries(
        details.rows.map(({ what, percent }) => [`savings/${what.replaceAll(" ", "_")}_percent`, percent]),
      ),
      lines: [
        ...details.rows.map(
          ({ what, dense, now, percent }) =>
            `${what}: ${formatValue(what, dense)} → ${formatValue(what, now)}, ${percent.toFixed(2)} % left`,
        ),
        ...details.remarks,
      ],
      details,
    };
  },
});

function formatValue(what: string, value: number): string {
  return what === "time" ? `${value.toFixed(2)} ms` : formatCount(Math.round(value));
}

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Savings> {
  const { shape, tensors, file } = subject;
  const { total } = countModel(shape, {
    tensors: (name) => tensors.get(name)!.data as Float32Array | Uint8Array,
  });
  const dense = countModel(createDenseShape(shape)).total;
  const row = (what: string, before: number, now: number): Saving => ({
    what,
    dense: before,
    now,
    percent: (100 * now) / before,
  });
  const { context } = dimensionsOf(shape);
  const length = Math.min(
    context,
    options.sequence_len ?? subject.data?.train.layout.sequenceLength ?? Math.min(context, 256),
  );
  const [time, denseTime] = await measureTimes(subject, length, options, lab);
  const fileBytes = file?.bytes ?? [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  const memory = (of: Subject["shape"]) => estimatePassMemory(of, options.batch_size, length);
  const growth = (model: Pick<Subject, "shape" | "tensors">) =>
    measurePeakGrowth(lab.engine, model, options.batch_size, length, lab.signal);
  const grown = [await growth(createDenseCounterpart(subject, lab.seed)), await growth(subject)];
  return {
    rows: [
      row("stored scalars", dense.stored, total.stored),
      row("stored bits", dense.bits, total.bits),
      row("file bytes", dense.bytes, fileBytes),
      row("packed file bytes", dense.bytes, computePackedBytes(subject)),
      row("memory bytes", memory(createDenseShape(shape)), memory(shape)),
      row("time", denseTime, time),
    ],
    reasons: listReasons(subject),
    remarks: [...listRemarks(subject), ...formatGrowth(grown)],
  };
}

/** Size of the weights in a lossless `packed` export, in bytes. */
function computePackedBytes(subject: Subject): number {
  const { tensors } = pack(subject, { dtype: "float32", entropyCoding: true });
  return [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
}

/** For a small model, the process already has enough memory, so the growth is not meaningful. */
function formatGrowth([dense, now]: readonly (number | undefined)[]): string[] {
  if (dense === undefined || now === undefined) return [];
  return [
    `Memory bytes are computed from the graph; the process grew by ${formatBytes(dense)} for the dense model and by ${formatBytes(now)} for this one.`,
  ];
}

async function measureTimes(
  subject: Subject,
  length: number,
  { batch_size: rows, repeats }: Options,
  lab: EvaluationLab,
): Promise<readonly [number, number]> {
  const { engine, seed, signal } = lab;
  await using pass = await openPass(engine, subject, rows, length);
  await using dense = await openPass(engine, createDenseCounterpart(subject, seed), rows, length);
  const [modelTimes, denseTimes]: [number[], number[]] = [[], []];
  for (let i = -2; i < repeats; i++) {
    const [time, denseTime] = [await pass.run(signal), await dense.run(signal)];
    if (i < 0) continue;
    modelTimes.push(time);
    denseTimes.push(denseTime);
    lab.progress(i + 1, repeats, "passes timed");
  }
  return [computeQuantile(modelTimes, 0.5), computeQuantile(denseTimes, 0.5)];
}

function listReasons({ shape }: Pick<Subject, "shape">): string[] {
  const all = listMatrixSlots(shape).flatMap(({ stored }) => stored.flatMap(listWithPieces));
  return [...new Set(all.flatMap((each) => explain(each) ?? []))];
}

/** What the representation of a matrix saves, in sentences after its title. */
function explain({ representation, options }: StoredPiece): string | undefined {
  const { title, worth } = representation;
  if (worth === undefined) return undefined;
  const note = representation.inputRounding?.(options);
  return `${title}: ${worth}${note === undefined ? "" : ` ${note}`}`;
}

function listRemarks({ shape }: Pick<Subject, "shape">): string[] {
  if (isDense(shape)) return ["Every matrix has its default representation, so there are no savings."];
  const seen = new Map<string, { matrices: number; scalars: number; title: string }>();
  for (const { stored } of listMatrixSlots(shape))
    for (const each of stored.flatMap(listWithPieces)) {
      const explanation = explain(each);
      if (explanation === undefined) continue;
      const { matrix, representation } = each;
      const { title } = representation;
      const before = seen.get(explanation) ?? { matrices: 0, scalars: 0, title };
      seen.set(explanation, {
        title,
        matrices: before.matrices + 1,
        scalars: before.scalars + matrix.inputs * matrix.outputs,
      });
    }
  const all = countModel(createDenseShape(shape)).total.stored;
  return [...seen].map(
    ([explanation, { matrices, scalars, title }]) =>
      `${title}, ${matrices} matrices of ${((100 * scalars) / all).toFixed(1)} % of the dense model${explanation.slice(title.length)}`,
  );
}
