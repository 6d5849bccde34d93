/** `lathe eval MODEL --inference cache.h2o.budget=0.25`: what a model loses on a text with a cache policy. */
import { getDefaultCacheFolder } from "../backend/data/cacheFolder";
import metric from "../backend/evaluation/cache";
import type { Inference } from "../backend/evaluation/inference";
import { describeRetrievalHeads, findRetrievalHeads } from "../backend/evaluation/retrievalHeads";
import { WorkbenchError } from "../protocol/errors";
import type { Outcome } from "./command";
import { openLab } from "./evaluationLab";
import { loadModel, omitModelOptions } from "./modelArgument";
import { validateOptions } from "./optionParsing";
import { openText, type TextOptions } from "./textSource";
import { type Terminal, toPlainText } from "./terminal";

interface Options extends TextOptions {
  readonly tasks?: readonly string[];
  readonly context?: number;
  readonly device?: string;
}

export async function evaluateCache(
  text: string,
  options: Options,
  inference: Inference,
  terminal: Terminal,
): Promise<Outcome> {
  refuseWithoutEffect(options, inference);
  const { data: _data, device, ...metricOptions } = omitModelOptions(options);
  validateOptions(metric.options, metricOptions);
  const model = await loadModel(text, options, terminal);
  metric.checkModel?.(model.shape);
  using source = await openText(model, options, terminal);
  const resolved = validateOptions(metric.options, {
    ...metricOptions,
    split: options.split ?? source.split,
    context: options.context ?? source.context,
  });
  const { tokenizer } = source.set;
  await metric.check?.({ ...model, tokenizer, data: source.data, inference }, resolved, {
    baseFolder: process.cwd(),
    cacheFolder: getDefaultCacheFolder(),
  });
  await using lab = await openLab({ device }, terminal);
  const complete = await findRetrievalHeads(lab.engine, model, inference, lab.signal);
  const heads = complete.cache && describeRetrievalHeads(complete.cache);
  const subject = { ...model, tokenizer, data: source.data, inference: complete };
  const { details, lines } = await metric.evaluate(subject, resolved, lab);
  return {
    document: { model: model.source, device: lab.engine.device.name, ...details },
    text: [...(heads === undefined ? [] : [heads]), ...lines].map(toPlainText).join("\n"),
  };
}

/** A text is read as it is, by all layers, and tasks are scored without generating token by token. */
function refuseWithoutEffect({ tasks }: Options, { prompt, exits }: Inference): void {
  if (tasks !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      "--inference has no effect on --tasks, which read a text and its answer at once. Omit one of them.",
    );
  const part = prompt !== undefined ? "prompt" : exits !== undefined ? "exits" : undefined;
  if (part === undefined) return;
  throw new WorkbenchError(
    "invalid-input",
    `--inference ${part} has no effect on a text that is read as it is. Use lathe generate, or name the metric ${part === "prompt" ? "longbench or retrieval" : "exits or generate"} in an evaluate cell.`,
  );
}
