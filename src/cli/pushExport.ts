/** `lathe export --push-to`: what would be sent to the hub, and with `--push` the sending. */
import { existsSync, realpathSync } from "node:fs";
import { readRecord } from "../backend/runs/folder/runFolder";
import { findRunWorkspace } from "../backend/runs/folder/runLocation";
import { createRunCard } from "../backend/runs/folder/runCard";
import {
  type CardSource,
  formatPreparedPush,
  type PreparedPush,
  readPreparedPush,
} from "../backend/exports/hub/preparePush";
import { type Pushed, pushFolder } from "../backend/exports/hub/pushFolder";
import {
  formatPushCommand,
  type PushRequest,
  requirePushSettings,
  splitPushOptions,
} from "../backend/exports/hub/pushRequest";
import { describePushed } from "../backend/runs/actions/export";
import { parseHubId } from "../backend/imports/hub/hubId";
import { findCheckpoint } from "../backend/imports/runFolder";
import { WorkbenchError } from "../protocol/errors";
import { pushSchema } from "../schema/push";
import type { OptionSpec, Outcome } from "./command";
import { createDownloadContext, type LoadedModel, type ModelOptions } from "./modelArgument";
import { parseBoolean, validateOptions } from "./optionParsing";
import { toPlainLine, type Terminal } from "./terminal";

export const pushOptions: readonly OptionSpec[] = [
  [
    "--push-to <owner/name>",
    "add a model card for this repository of the Hugging Face hub and show what would be sent; without --format, of a folder that was exported this way",
  ],
  ["--push", "with --push-to: send it"],
  [
    "--private <true or false>",
    "with --push-to: visibility of a repository that does not exist yet; default true",
    parseBoolean,
  ],
  ["--license <id>", "with --push-to: license in the model card, such as apache-2.0; default none"],
];

interface PushFlags {
  readonly pushTo: string | undefined;
  readonly private: boolean | string | undefined;
  readonly license: string | undefined;
}

export function readPush(flags: PushFlags, isSent: boolean): PushRequest | undefined {
  const options = validateOptions(pushSchema, { ...flags });
  if (options.push_to !== undefined) return splitPushOptions(options).push;
  const unused = [
    ...(isSent ? ["--push"] : []),
    ...(flags.private === undefined ? [] : ["--private"]),
    ...(flags.license === undefined ? [] : ["--license"]),
  ];
  if (unused.length === 0) return undefined;
  throw new WorkbenchError(
    "invalid-input",
    `${unused.join(", ")} has no effect without --push-to owner/name.`,
  );
}

/** What the card reports beside the model. The numbers of a run are those of its last checkpoint, read without changes. */
export function createCardSource(text: string, model: LoadedModel, options: ModelOptions): CardSource {
  const baseModel = parseHubId(text, process.cwd())?.repository;
  const { config, ignoreExtraTensors, stripPrefix, adapter } = options;
  const isChanged = [config, ignoreExtraTensors, stripPrefix, adapter].some((each) => each !== undefined);
  if (model.run === undefined || isChanged || !isLastCheckpoint(model.run, model.source))
    return { baseModel };
  const record = readRecord(model.run);
  const run = createRunCard(model.run, record, findRunWorkspace(model.run, record.workspace));
  return { baseModel, run };
}

const isLastCheckpoint = (run: string, source: string): boolean =>
  realpathSync(source) === realpathSync(findCheckpoint(run, "last"));

interface Publication {
  readonly prepared: PreparedPush;
  readonly pushed: Pushed | undefined;
  readonly lines: readonly string[];
}

/** Sends the folder, or shows what would be sent. */
export async function publish(
  folder: string,
  push: PushRequest,
  prepared: PreparedPush,
  { isSent, terminal }: { readonly isSent: boolean; readonly terminal: Terminal },
): Promise<Publication> {
  if (!isSent)
    return {
      prepared,
      pushed: undefined,
      lines: [
        ...formatPreparedPush(prepared),
        "",
        `Nothing was sent. To send it: ${formatPushCommand(folder, push)}`,
      ],
    };
  const pushed = await pushFolder(
    folder,
    push,
    requirePushSettings(push),
    createDownloadContext(terminal),
  ).catch((thrown: unknown) => {
    throw addRemedy(thrown, folder, push);
  });
  return { prepared, pushed, lines: [describePushed(pushed)] };
}

/** The export is complete, so only the sending has to be repeated. */
function addRemedy(thrown: unknown, folder: string, push: PushRequest): unknown {
  if (!(thrown instanceof WorkbenchError)) return thrown;
  return new WorkbenchError(
    thrown.code,
    `${thrown.message} The export is complete in ${folder}. To send it again: ${formatPushCommand(folder, push)}`,
    thrown.details,
    { cause: thrown },
  );
}

/** Publishes a folder of an earlier export as it is. */
export async function publishFolder(
  folder: string,
  push: PushRequest,
  context: {
    readonly isSent: boolean;
    readonly license: string | undefined;
    readonly exportOptions: object;
    readonly terminal: Terminal;
  },
): Promise<Outcome> {
  if (!existsSync(folder))
    throw new WorkbenchError(
      "not-found",
      `${folder} does not exist. Name a --format to export a model, or the folder of an earlier export to publish it.`,
    );
  const others = Object.entries(context.exportOptions).filter(
    ([name, value]) => value !== undefined && name !== "json",
  );
  if (others.length > 0 || context.license !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      "Without --format, the folder is sent as it is. Leave out the options of formats and --license, or name a --format.",
    );
  const prepared = readPreparedPush(folder, push);
  return addPush(
    { document: { folder }, text: toPlainLine(folder) },
    await publish(folder, push, prepared, context),
  );
}

export function addPush(outcome: Outcome, { prepared, pushed, lines }: Publication): Outcome {
  return {
    ...outcome,
    document: { ...(outcome.document as object), push: { ...prepared, pushed: pushed ?? null } },
    text: [outcome.text, "", ...lines.map(toPlainLine)].join("\n"),
  };
}
