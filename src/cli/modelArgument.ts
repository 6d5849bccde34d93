/** How a command line names a model, and what is known about it: its weights, its tokenizer, the run that it comes from. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getDefaultCacheFolder } from "../backend/data/cacheFolder";
import { openData } from "../backend/data/dataSet";
import type { DownloadContext } from "../backend/data/download";
import { defaultTokenizer, openTokenizer } from "../backend/data/tokenizers/openTokenizer";
import type { Tokenizer } from "../backend/data/tokenizers/tokenizer";
import type { ImportedModel } from "../backend/imports/importedModel";
import { importModel } from "../backend/imports/importModel";
import { readRecord } from "../backend/runs/folder/runFolder";
import { findWorkspaceAboveRun } from "../backend/runs/folder/runLocation";
import { withBaseTokenizer } from "../backend/runs/steps/stepData";
import { resolveExperimentFolder } from "../backend/runs/steps/workshop";
import { WorkbenchError } from "../protocol/errors";
import { type DataOptions, dataSchema } from "../schema/experiment";
import { parseSettings } from "../backend/experiment/settings";
import type { BaseModelOptions } from "../schema/baseModel";
import { collect } from "./optionParsing";
import { type Terminal, toPlainLine } from "./terminal";
import type { ArgumentSpec, OptionSpec } from "./command";
import { selectRun } from "./runSelection";

export const modelArgument: ArgumentSpec = [
  "<model>",
  "a run, a checkpoint folder, a Hugging Face folder or hub id (owner/name), or a llama2.c .bin file",
];

const progressInterval = 3000;

export interface ModelOptions {
  readonly checkpoint?: string;
  readonly tokenizer?: string;
  readonly config?: readonly string[];
  readonly ignoreExtraTensors?: boolean;
  readonly stripPrefix?: string;
  readonly adapter?: string;
}

/** How the model is named and read; what is left are the options of a command itself. */
export function omitModelOptions<O extends ModelOptions>(options: O): Omit<O, keyof ModelOptions> {
  const {
    checkpoint: _checkpoint,
    tokenizer: _tokenizer,
    config: _config,
    ignoreExtraTensors: _ignore,
    stripPrefix: _strip,
    adapter: _adapter,
    ...rest
  } = options;
  return rest;
}

/** For files that are not quite what their configuration describes. */
export const readingOptions: readonly OptionSpec[] = [
  ["--config <key=value>", "replace a key of the model's config.json; may be repeated", collect],
  ["--ignore-extra-tensors", "load without tensors that the model does not have"],
  ["--strip-prefix <text>", "remove this from the beginning of the names of tensors"],
  ["--adapter <folder>", "an adapter of PEFT for the model"],
];

export const checkpointOption: OptionSpec = [
  "--checkpoint <which>",
  "last or best, if the model is a run; default last",
];
export const tokenizerOption: OptionSpec = [
  "--tokenizer <name>",
  "bytes, or a tokenizer.json, tokenizer .bin or folder; default: the model's own",
];

export interface LoadedModel extends ImportedModel {
  /** The data cell of the run that it comes from, with the folder that its paths start from. */
  readonly runData?: { readonly options: DataOptions; readonly baseFolder: string };
}

export async function loadModel(
  text: string,
  options: ModelOptions,
  terminal: Terminal,
): Promise<LoadedModel> {
  const { checkpoint } = options;
  if (checkpoint !== undefined && checkpoint !== "last" && checkpoint !== "best")
    throw new WorkbenchError(
      "invalid-input",
      `--checkpoint must be last or best, not ${checkpoint}. To use another one, name its folder as the model.`,
      { allowed: ["last", "best"] },
    );
  const model = await importModel(
    { id: await resolveModelPath(text), ...getReadingOptions(options) },
    {
      ...(checkpoint === undefined ? {} : { which: checkpoint }),
      ...createDownloadContext(terminal),
    },
  );
  for (const notice of model.notices ?? []) terminal.log(toPlainLine(notice));
  if (model.run === undefined) return model;
  const { plan, workspace: recordedWorkspace } = readRecord(model.run);
  const workspace = findWorkspaceAboveRun(model.run) ?? recordedWorkspace;
  if (plan.data === undefined || workspace === undefined) return model;
  const baseFolder = resolveExperimentFolder({ plan, workspace });
  // The run wrote down the tokenizer that it read its data with.
  const data = withBaseTokenizer(plan, model.tokenizerFolder).data!;
  return { ...model, runData: { options: dataSchema.parse(data), baseFolder } };
}

function getReadingOptions({
  config,
  ignoreExtraTensors,
  stripPrefix,
  adapter,
}: ModelOptions): Omit<BaseModelOptions, "id"> {
  return {
    ...(config === undefined ? {} : { config: parseSettings(config, "--config") }),
    ...(ignoreExtraTensors === undefined ? {} : { ignore_extra_tensors: ignoreExtraTensors }),
    ...(stripPrefix === undefined ? {} : { strip_prefix: stripPrefix }),
    ...(adapter === undefined ? {} : { adapter }),
  };
}

/** A line on standard error every few seconds; an interrupted download continues from there the next time. */
export function createDownloadContext(terminal: Terminal): DownloadContext {
  let reportedAt = performance.now();
  return {
    signal: undefined,
    progress: (done, total, label) => {
      if (performance.now() - reportedAt < progressInterval && done < total) return;
      reportedAt = performance.now();
      terminal.log(`${toPlainLine(label)} ${Math.floor((100 * done) / total)} %`);
    },
  };
}

/** A path that is there, an id of the hub, else the folder of the run that is meant. */
async function resolveModelPath(text: string): Promise<string> {
  if (existsSync(text) || /[\\/]/.test(text)) return text;
  try {
    return (await selectRun(text, {})).folder;
  } catch (thrown) {
    if (!(thrown instanceof WorkbenchError) || thrown.code !== "not-found") throw thrown;
    throw new WorkbenchError(
      "not-found",
      `There is no model ${text}: no file, folder or run has that name. ${thrown.message}`,
      thrown.details,
      { cause: thrown },
    );
  }
}

/** What names a tokenizer to everything that opens one. */
export interface TokenizerName extends Disposable {
  readonly name: string;
  readonly baseFolder: string;
}

/** The requested tokenizer, else the one next to the model, else that of its run. */
export async function resolveTokenizerName(
  model: LoadedModel,
  { tokenizer }: ModelOptions,
): Promise<TokenizerName> {
  const createName = (name: string, baseFolder: string) => ({
    name,
    baseFolder,
    [Symbol.dispose]: () => undefined,
  });
  if (tokenizer !== undefined) return createName(tokenizer, process.cwd());
  if (model.tokenizerFolder !== undefined) return createName(model.tokenizerFolder, process.cwd());
  if (model.runData === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `There is no tokenizer next to ${model.source}. Name one with --tokenizer.`,
    );
  const { options, baseFolder } = model.runData;
  if (options.tokenizer !== "characters")
    return createName(options.tokenizer ?? defaultTokenizer, baseFolder);
  // This one is made from the text that was trained on, so it has to be written down before other text can be read with it.
  using data = await openData(options, { baseFolder, cacheFolder: getDefaultCacheFolder() });
  const folder = mkdtempSync(join(tmpdir(), "lathe-tokenizer-"));
  for (const [name, content] of Object.entries(data.tokenizer.files))
    writeFileSync(join(folder, name), content);
  return {
    ...createName(folder, folder),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export async function openModelTokenizer(model: LoadedModel, options: ModelOptions): Promise<Tokenizer> {
  using resolvedName = await resolveTokenizerName(model, options);
  return await openTokenizer(resolvedName.name, resolvedName.baseFolder);
}

/** The same, or nothing where nobody knows: for what can do without. */
export async function openKnownTokenizer(
  model: LoadedModel,
  options: ModelOptions,
): Promise<Tokenizer | undefined> {
  const isKnown = [options.tokenizer, model.tokenizerFolder, model.runData].some(
    (each) => each !== undefined,
  );
  return isKnown ? openModelTokenizer(model, options) : undefined;
}
