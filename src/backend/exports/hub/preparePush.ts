/** Completes an exported folder with its model card and experiment, and describes what a push of it would send. */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import { formatBytes } from "../../../protocol/quantities";
import { countModel } from "../../models/accounting";
import { type ExportResult, findExporter } from "../exportModel";
import type { ExportSubject } from "../exporter";
import { createSource } from "../plainTensors";
import { cardName, type CardRun, createModelCard, experimentName } from "./modelCard";
import { listPushedFiles, type PushedFile } from "./pushFolder";
import { describeTarget, type PushRequest } from "./pushRequest";

const maxCardBytes = 2 ** 20;

export interface PreparedPush {
  readonly repository: string;
  readonly private: boolean;
  readonly files: readonly PushedFile[];
  /** The text of README.md. */
  readonly card: string;
}

export interface CardSource {
  readonly run?: CardRun | undefined;
  readonly baseModel?: string | undefined;
}

/** Writes README.md, and experiment.yaml where a run is known, into the exported folder. */
export function preparePush(
  subject: ExportSubject,
  exported: ExportResult,
  formatOptions: Readonly<Record<string, unknown>>,
  { repository, isPrivate, license }: PushRequest,
  { run, baseModel }: CardSource,
): PreparedPush {
  const { title, library } = findExporter(exported.format);
  const card = createModelCard({
    repository,
    license,
    format: { id: exported.format, title, library },
    formatOptions,
    shape: subject.shape,
    counts: countModel(subject.shape, { tensors: createSource(subject.tensors) }),
    sizes: exported.sizes,
    notices: exported.notices,
    baseModel,
    run,
  });
  writeFileSync(join(exported.folder, cardName), card);
  if (run !== undefined) writeFileSync(join(exported.folder, experimentName), run.experiment);
  return { repository, private: isPrivate, files: listPushedFiles(exported.folder), card };
}

/** What would be sent of a folder that an earlier export has prepared. */
export function readPreparedPush(folder: string, { repository, isPrivate }: PushRequest): PreparedPush {
  const files = existsSync(folder) && statSync(folder).isDirectory() ? listPushedFiles(folder) : [];
  const found = files.find(({ name }) => name === cardName);
  if (found === undefined || found.bytes > maxCardBytes)
    throw new WorkbenchError(
      "invalid-input",
      `${folder} is not an export that was prepared for the hub: it has no ${cardName} of at most ${formatBytes(maxCardBytes)}. Export the model with --format and --push-to first.`,
    );
  const card = readFileSync(join(folder, cardName), "utf8");
  return { repository, private: isPrivate, files, card };
}

/** Lines that show every file with its size, and the card. */
export function formatPreparedPush(prepared: PreparedPush): string[] {
  const { repository, private: isPrivate, files, card } = prepared;
  const sizes = files.map(({ bytes }) => formatBytes(bytes));
  const width = Math.max(...sizes.map(({ length }) => length));
  return [
    `To ${describeTarget({ repository, isPrivate })}:`,
    ...files.map(({ name }, i) => `  ${sizes[i]!.padStart(width)}  ${name}`),
    "",
    `${cardName}:`,
    "",
    ...card.trimEnd().split("\n"),
  ];
}
