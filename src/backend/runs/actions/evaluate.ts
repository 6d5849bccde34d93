/** Evaluates the current model with each metric. */
import { join } from "node:path";
import { getDefaultCacheFolder } from "../../data/cacheFolder";
import { metrics } from "../../evaluation/catalog";
import { splitEvaluation } from "../../evaluation/parseInference";
import { describeRetrievalHeads, findRetrievalHeads } from "../../evaluation/retrievalHeads";
import { writeAtomic } from "../folder/atomicFile";
import type { LossProtocol } from "../../../protocol/lossProtocol";
import { Pace } from "../../../statistics/pace";
import type { Action } from "../steps/action";
import { writeLossProtocols } from "../steps/lossProtocols";
import { importNamedModel, resolveExperimentFolder } from "../steps/workshop";
import { describeWrittenFile } from "../folder/modelFile";

const action: Action = {
  isRunSpecific: ({ options }) => {
    const { metrics: chosen, inference } = splitEvaluation(options);
    if (inference.prompt?.options.model !== undefined) return true;
    return Object.entries(chosen).some(([name, values]) => {
      const metric = metrics[name]!;
      return metric.readsFiles?.(metric.options.parse(values)) === true;
    });
  },
  async perform({ step, workpiece, workshop, folder }) {
    const { context, data, engine, tokenizer } = workshop;
    const results: Record<string, unknown> = {};
    const lines: string[] = [];
    const protocols: Record<string, LossProtocol> = {};
    const { metrics: chosen, inference: wanted } = splitEvaluation(step.options);
    const inference = await findRetrievalHeads(engine, workpiece, wanted, context.signal);
    const heads = inference.cache && describeRetrievalHeads(inference.cache);
    if (heads !== undefined) {
      context.log(heads);
      lines.push(heads, "");
    }
    for (const [name, values] of Object.entries(chosen)) {
      const metric = metrics[name]!;
      const reported = new Set<string>();
      const pace = new Pace();
      const measured = await metric.evaluate(
        {
          shape: workpiece.shape,
          tensors: workpiece.tensors,
          tokenizer,
          data,
          inference,
          file: workpiece.checkpoint === undefined ? undefined : describeWrittenFile(workpiece.checkpoint),
        },
        metric.options.parse(values),
        {
          engine,
          seed: context.plan.seed,
          signal: context.signal,
          log: (line) => {
            reported.add(line);
            context.log(line);
          },
          progress: (done, total, what) => {
            const secondsLeft = pace.estimate(done, total, what);
            context.progress({
              step: workpiece.step,
              steps: workpiece.step,
              action: `${what} ${done}/${total}`,
              ...(secondsLeft === undefined ? {} : { secondsLeft }),
            });
          },
          openModel: (name) => importNamedModel(context, name),
          places: { baseFolder: resolveExperimentFolder(context), cacheFolder: getDefaultCacheFolder() },
        },
      );
      if (Object.keys(measured.values).length > 0)
        context.metric({ step: workpiece.step, ...measured.values });
      for (const line of measured.lines) if (!reported.has(line)) context.log(line);
      lines.push(`## ${metric.title}`, "", ...measured.lines, "");
      Object.assign(protocols, measured.protocols);
      results[name] = { values: measured.values, details: measured.details as unknown };
      for (const [file, text] of Object.entries(measured.files ?? {}))
        writeAtomic(join(folder, file), text, { durable: true });
      if (name === "generate")
        writeAtomic(join(folder, "samples.json"), formatJson(measured.details), { durable: true });
    }
    writeLossProtocols(context, folder, protocols);
    writeAtomic(join(folder, "eval.json"), formatJson(results), { durable: true });
    writeAtomic(join(folder, "report.md"), lines.join("\n"), { durable: true });
    return workpiece;
  },
};

export default action;

function formatJson(content: unknown): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
}
