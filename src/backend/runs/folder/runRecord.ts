/** Parses `run.json`. Unknown keys are allowed, so that runs of a newer version can still be listed. */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import { actionKeys } from "../../../schema/cellKeys";
import { parallelSchema } from "../../../schema/parallel";
import type { RunRecord } from "../../../protocol/run";

const text = z.string();
/** The options of a run in any form: thousands of records are read at a time, so they are not validated in depth. */
const options = z.custom<Readonly<Record<string, unknown>>>(isMap, "must be a map");
const summary = z.custom<RunRecord["summary"]>(isSummary, "must contain last, min and max of each metric");

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSummary(value: unknown): boolean {
  if (!isMap(value)) return false;
  for (const entry of Object.values(value))
    if (!isMap(entry) || !["last", "min", "max"].every((key) => typeof entry[key] === "number")) return false;
  return true;
}

const countsSchema = z.looseObject({
  trainable: z.number(),
  stored: z.number(),
  nonZero: z.number(),
  bits: z.number(),
  bytes: z.number(),
});

const planSchema = z.looseObject({
  experiment: text,
  name: text,
  folder: text,
  variant: text,
  scale: text.optional(),
  sweep: options,
  seed: z.number(),
  device: text,
  parallel: parallelSchema.optional(),
  data: options.optional(),
  model: options.optional(),
  baseModel: z.union([text, z.looseObject({ id: text })]).optional(),
  halving: z
    .looseObject({
      bracket: text,
      candidate: z.int().min(0),
      candidates: z.int().positive(),
      metric: text,
      factor: z.number(),
      rungs: z.array(z.looseObject({ runs: z.int(), steps: z.int() })).min(1),
    })
    .optional(),
  steps: z.array(
    z.looseObject({
      index: z.int().min(0),
      action: z.enum(actionKeys),
      options,
      key: text,
    }),
  ),
});

export const lossProtocolsSchema = z.record(
  z.string(),
  z.looseObject({
    data: text,
    split: text,
    hash: text,
    tokens: z.number(),
    unit: z.enum(["rows"]).optional(),
    method: text,
  }),
);

const recordSchema = z.looseObject({
  id: text,
  name: text,
  state: z.enum([
    "queued",
    "running",
    "paused",
    "held",
    "pruned",
    "stopped",
    "failed",
    "done",
    "interrupted",
  ]),
  plan: planSchema,
  createdAt: z.iso.datetime(),
  startedAt: text.optional(),
  endedAt: text.optional(),
  seconds: z.number().optional(),
  process: z.looseObject({ pid: z.int().positive(), startedAt: text, host: text, socket: text }).optional(),
  workspace: text.optional(),
  queuePosition: z.int().min(0).optional(),
  device: z.looseObject({ name: text, description: text, reason: text }).optional(),
  versions: z.record(z.string(), text).optional(),
  git: z.looseObject({ commit: text, branch: text, dirty: z.boolean() }).optional(),
  dataHash: text.optional(),
  dataTitle: text.optional(),
  floor: z.number().optional(),
  losses: lossProtocolsSchema.optional(),
  energy: z
    .looseObject({
      kwh: z.number(),
      co2_grams: z.number(),
      water_litres: z.number(),
      how: z.enum(["measured", "estimated"]),
      assumptions: text,
    })
    .optional(),
  counts: z.looseObject({ nonEmbedding: countsSchema, total: countsSchema }).optional(),
  progress: z
    .looseObject({
      step: z.number(),
      steps: z.number(),
      secondsLeft: z.number().optional(),
      action: text,
    })
    .optional(),
  halving: z
    .looseObject({
      rung: z.int().min(0),
      values: z.array(z.number().nullable()),
      pruned: z
        .looseObject({
          step: z.number(),
          steps: z.number(),
          metric: text,
          value: z.number().nullable(),
          needed: z.number().nullable(),
        })
        .optional(),
    })
    .optional(),
  summary,
  notices: z.array(text),
  failure: z.looseObject({ code: text, message: text }).optional(),
});

/** A record takes a few kilobytes; a far larger file was not written by Lathe. */
export const maxRecordBytes = 16 * 1024 * 1024;

export function parseRecord(json: string, path: string): RunRecord {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new WorkbenchError(
      "corrupt",
      `${path} is not complete JSON. Its metrics and checkpoints may be intact; restore the file or delete the run.`,
      {},
      { cause },
    );
  }
  const parsed = recordSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new WorkbenchError(
      "corrupt",
      `${path} is not a run record: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}.`,
    );
  }
  // Zod writes optional keys as `T | undefined`; JSON has no undefined, so the exact type holds.
  return parsed.data as unknown as RunRecord;
}
