/** The protocols of a step's losses, written beside its results, so that a run that reuses the step has them too. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import type { LossProtocols } from "../../../protocol/lossProtocol";
import { writeAtomic } from "../folder/atomicFile";
import { readBounded } from "../folder/boundedFile";
import type { RunContext } from "./runContext";

const file = "losses.json";
const maxBytes = 2 ** 20;

export const lossProtocolsSchema = z.record(
  z.string(),
  z.object({
    data: z.string(),
    split: z.string(),
    hash: z.string(),
    tokens: z.number(),
    method: z.string(),
  }),
);

/** `folder` is that of the step. */
export function writeLossProtocols(context: RunContext, folder: string, protocols: LossProtocols): void {
  if (Object.keys(protocols).length === 0) return;
  writeAtomic(join(folder, file), `${JSON.stringify(protocols, undefined, 2)}\n`, { durable: true });
  record(context, protocols);
}

/** Takes over what a finished step has written. */
export function takeLossProtocols(context: RunContext, folder: string): void {
  const path = join(folder, file);
  if (!existsSync(path)) return;
  try {
    record(context, lossProtocolsSchema.parse(JSON.parse(readBounded(path, maxBytes))));
  } catch {
    // A damaged file leaves the protocol unknown; the step's results are there all the same.
  }
}

function record(context: RunContext, protocols: LossProtocols): void {
  context.describe({ losses: { ...context.folder.record.losses, ...protocols } });
}
