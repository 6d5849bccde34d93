/** `lathe export RUN`: writes a model, or the history of a run, in a form that other programs read. */
import { basename, resolve } from "node:path";
import * as z from "zod";
import { exporters } from "../../backend/exports/catalog";
import { exportModel } from "../../backend/exports/exportModel";
import { historyExporters } from "../../backend/exports/histories/catalog";
import { exportHistory } from "../../backend/exports/histories/exportHistory";
import type { HistoryExporter } from "../../backend/exports/histories/historyExporter";
import { sizeTable } from "../../backend/exports/savings";
import type { WrittenFolder } from "../../backend/exports/writtenFolder";
import { historySubject } from "../../backend/runs/folder/exportedHistory";
import { WorkbenchError } from "../../protocol/errors";
import { defineCommand, type Outcome } from "../command";
import { checkedOptions, number } from "../givenOptions";
import {
  checkpointOption,
  knownTokenizer,
  type LoadedModel,
  loadModel,
  modelArgument,
  type ModelOptions,
  tokenizerOption,
  readingOptions,
  withoutModelOptions,
} from "../modelArgument";
import { bytes } from "../../protocol/quantities";
import { selectRun } from "../runSelection";
import { plainLine } from "../terminal";

interface Options extends ModelOptions {
  readonly format?: string;
  readonly out?: string;
  readonly sequenceLen?: number;
  readonly batchSize?: number;
  readonly inputType?: string;
  readonly withPast?: boolean;
  readonly positionIds?: boolean;
  readonly operators?: string;
  readonly externalData?: boolean;
  readonly dtype?: string;
  readonly maxShardSize?: string;
  readonly entropyCoding?: boolean | string;
}

const modelFormats = Object.keys(exporters);
const historyFormats = Object.keys(historyExporters);
const formats = [...modelFormats, ...historyFormats];
const listed = `${formats.slice(0, -1).join(", ")} or ${formats.at(-1)!}`;

export default defineCommand<readonly [string], Options>({
  summary: "write a model as a Hugging Face folder or an ONNX file, or a run's metrics",
  arguments: [modelArgument],
  options: [
    ["--format <name>", `${modelFormats.join(" or ")}; of a run's metrics ${historyFormats.join(" or ")}`],
    ["--out <dir>", "folder to create; default: named after the model and the format"],
    ["--dtype <type>", "safetensors and packed: float32, float16 or bfloat16 weights"],
    ["--max-shard-size <size>", "safetensors: largest file of weights, such as 5GB; larger models are split"],
    [
      "--entropy-coding <true or false>",
      "packed: whether masks and codes may be entropy-coded; default true",
      // Anything else is left to the format's own check.
      (text) => (text === "true" || text === "false" ? text === "true" : text),
    ],
    ["--sequence-len <tokens>", "onnx: fix the number of tokens of a row; any number unless given", number],
    ["--batch-size <rows>", "onnx: fix the number of rows; any number unless given", number],
    ["--input-type <type>", "onnx: int64 or int32 token ids, mask and positions"],
    ["--position-ids", "onnx: take positions as an input; otherwise they follow from the attention mask"],
    [
      "--operators <set>",
      "onnx: microsoft keeps quantized codes as MatMulNBits where it can; standard uses DequantizeLinear only",
    ],
    ["--external-data", "onnx: weights in a file of their own, as is done above 2 GiB in any case"],
    ["--with-past", "onnx: also write a file that generates one token at a time, with a key-value cache"],
    tokenizerOption,
    checkpointOption,
    ...readingOptions,
  ],
  async run({ args: [text], options, terminal }) {
    const { format = "", ...given } = options;
    const history = Object.hasOwn(historyExporters, format) ? historyExporters[format] : undefined;
    if (history !== undefined) return runHistory(text, format, history, given);
    const { out, ...rest } = withoutModelOptions(given);
    const exporter = Object.hasOwn(exporters, format) ? exporters[format] : undefined;
    if (exporter === undefined)
      throw new WorkbenchError("invalid-input", `--format is ${listed}.`, { allowed: formats });
    const chosen = checkedOptions(exporter.options, rest) as Readonly<Record<string, unknown>>;
    const model = await loadModel(text, options);
    const tokenizer = await knownTokenizer(model, options);
    if (tokenizer === undefined)
      terminal.say("The model has no known tokenizer, so none is written. Name one with --tokenizer.");
    const tokenizerFolder = options.tokenizer === undefined ? model.tokenizerFolder : undefined;
    const folder = resolve(out ?? `${nameOf(model)}-${format}`);
    const written = await exportModel(
      { ...model, tokenizer, tokenizerFolder },
      { ...chosen, format },
      folder,
    );
    for (const notice of written.notices) terminal.say(plainLine(notice));
    return outcome({ model: model.source, ...written }, written, ["", ...sizeTable(written.sizes)]);
  },
});

async function runHistory(
  text: string,
  format: string,
  exporter: HistoryExporter,
  { out, ...given }: Omit<Options, "format">,
): Promise<Outcome> {
  checkedOptions(z.strictObject({}), given);
  const { folder, id, record } = await selectRun(text, {});
  const target = resolve(out ?? `${id}-${format}`);
  const written = await exportHistory(historySubject(folder, record), exporter, target);
  return outcome({ run: folder, format, ...written }, written);
}

function outcome(document: object, { folder, files }: WrittenFolder, sizes: readonly string[] = []): Outcome {
  const rows = files.map((file) => `  ${plainLine(file.name)}  ${bytes(file.bytes)}`);
  return { document, text: [plainLine(folder), ...rows, ...sizes].join("\n") };
}

function nameOf({ run, source }: LoadedModel): string {
  return basename(run ?? source).replace(/\.bin$/, "");
}
