/** Writes the current model in a format that other programs read, and publishes it if the run was started for that. */
import { join } from "node:path";
import type { Step } from "../../../protocol/run";
import { exportModel, findExporter, refuseShape } from "../../exports/exportModel";
import { formatPreparedPush, preparePush, type PreparedPush } from "../../exports/hub/preparePush";
import { type Pushed, pushFolder } from "../../exports/hub/pushFolder";
import {
  formatPushCommand,
  type PushRequest,
  requirePushSettings,
  splitPushOptions,
} from "../../exports/hub/pushRequest";
import { formatSizeTable } from "../../exports/savings";
import { createRunCard } from "../folder/runCard";
import { writeAtomic } from "../folder/atomicFile";
import type { ModelShape } from "../../models/model";
import type { Action, ActionCall } from "../steps/action";
import { createDownloadContext } from "../steps/workshop";

const action: Action = {
  // The model card belongs to the run, and a push is not a result that another run could take over.
  isRunSpecific: ({ options }) => options["push_to"] !== undefined,

  async perform(call) {
    const { step, workpiece, workshop, folder } = call;
    const { context, tokenizer } = workshop;
    const { format, ...options } = step.options;
    const { push, rest } = splitPushOptions(options);
    const { shape, tensors } = workpiece;
    const subject = { shape, tensors, tokenizer };
    const exported = await exportModel(subject, { ...rest, format: String(format) }, join(folder, "model"));
    for (const notice of exported.notices) context.notice(notice);
    const files = exported.files.map(({ name, bytes }) => `${name} (${bytes} bytes)`);
    context.log(`Exported as ${exported.format} to ${exported.folder}: ${files.join(", ")}.`);
    for (const line of formatSizeTable(exported.sizes)) context.log(line);
    const prepared =
      push &&
      preparePush(subject, exported, rest, push, {
        run: createRunCard(context.folder.path, context.folder.record, context.workspace, step.index),
      });
    const pushed = push && prepared && (await publish(call, push, prepared, exported.folder));
    writeAtomic(
      join(folder, "export.json"),
      `${JSON.stringify({ ...exported, folder: "model", ...(pushed === undefined ? {} : { pushed }) }, undefined, 2)}\n`,
      { durable: true },
    );
    return workpiece;
  },
};

export default action;

/** Sends the folder if the run was started with `--push`; otherwise logs what would be sent. */
async function publish(
  { workshop: { context } }: ActionCall,
  push: PushRequest,
  prepared: PreparedPush,
  folder: string,
): Promise<Pushed | undefined> {
  if (!context.push) {
    for (const line of formatPreparedPush(prepared)) context.log(line);
    context.notice(
      `Nothing was sent to ${push.repository}. To publish the export: ${formatPushCommand(folder, push)}`,
    );
    return undefined;
  }
  const pushed = await pushFolder(folder, push, requirePushSettings(push), createDownloadContext(context));
  context.notice(describePushed(pushed));
  return pushed;
}

/** One sentence about a finished push. */
export function describePushed({ repository, url, private: isPrivate, created, replaced }: Pushed): string {
  const kind = isPrivate ? "private" : "public";
  const change = created
    ? `the new ${kind} repository`
    : replaced.length === 0
      ? `the ${kind} repository, which had none of the files,`
      : `the ${kind} repository, replacing ${replaced.join(", ")},`;
  return `Published to ${change} ${repository}: ${url}.`;
}

/** Throws the reason why the step cannot export this model. */
export function refuseExport(shape: ModelShape, { options: { format, ...options } }: Step): void {
  const { rest } = splitPushOptions(options);
  refuseShape(shape, String(format), findExporter(String(format)).options.parse(rest));
}
