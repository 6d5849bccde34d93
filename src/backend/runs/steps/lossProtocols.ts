/** The protocols of a step's losses, written beside its results, so that a run that reuses the step has them too. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { LossProtocols } from "../../../protocol/lossProtocol";
import { toWorkbenchError } from "../../../protocol/errors";
import { writeAtomic } from "../folder/atomicFile";
import { readBounded } from "../folder/boundedFile";
import { lossProtocolsSchema } from "../folder/runRecord";
import type { RunContext } from "./runContext";

const file = "losses.json";
const maxBytes = 2 ** 20;

/** `folder` is that of the step. */
export function writeLossProtocols(context: RunContext, folder: string, protocols: LossProtocols): void {
  if (Object.keys(protocols).length === 0) return;
  writeAtomic(join(folder, file), `${JSON.stringify(protocols, undefined, 2)}\n`, { durable: true });
  record(context, protocols);
}

/** Takes over what a finished step has written. The results of a step whose file is damaged are good all the same. */
export function takeLossProtocols(context: RunContext, folder: string): void {
  const path = join(folder, file);
  if (!existsSync(path)) return;
  try {
    record(context, lossProtocolsSchema.parse(JSON.parse(readBounded(path, maxBytes))));
  } catch (thrown) {
    context.log(
      `How the losses of this step were measured is not known, because ${path} cannot be read: ${toWorkbenchError(thrown).message}`,
    );
  }
}

function record(context: RunContext, protocols: LossProtocols): void {
  context.describe({ losses: { ...context.folder.record.losses, ...protocols } });
}
