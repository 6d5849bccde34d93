/** Writes a page about the run: its configuration, its metrics and the size of its model. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Counts } from "../../../protocol/counts";
import { describeProtocol } from "../../../protocol/lossProtocol";
import { countModel } from "../../models/accounting";
import { writeAtomic } from "../folder/atomicFile";
import type { Action, ActionCall } from "../steps/action";
import { describeWrittenFile } from "../folder/modelFile";

const action: Action = {
  isRunSpecific: () => true,

  async perform(call) {
    writeAtomic(join(call.folder, "report.md"), reportOf(call), { durable: true });
    return call.workpiece;
  },
};

export default action;

function reportOf({ workpiece: { shape, tensors, checkpoint }, workshop: { context } }: ActionCall): string {
  const { plan, folder } = context;
  const counts = countModel(shape, {
    tensors: (name) => tensors.get(name)!.data as Float32Array | Uint8Array,
    ...(checkpoint === undefined ? {} : { file: describeWrittenFile(checkpoint) }),
  });
  const row = (name: string, each: Counts) =>
    `| ${[name, each.trainable, each.stored, each.nonZero, each.bits, each.bytes].join(" | ")} |`;
  const metrics = Object.entries(folder.record.summary).filter(([name]) => !name.startsWith("system/"));
  return [
    `# ${plan.name}`,
    "",
    `Variant ${plan.variant === "" ? "(only one)" : plan.variant}, seed ${plan.seed}, run ${folder.id}.`,
    "",
    ...(folder.record.dataTitle === undefined ? [] : [`Data read: ${folder.record.dataTitle}.`, ""]),
    "## Parameters",
    "",
    "| | trainable | stored | non-zero | stored bits | bytes |",
    "|---|---:|---:|---:|---:|---:|",
    row("non-embedding", counts.nonEmbedding),
    row("whole model", counts.total),
    "",
    "## Metrics",
    "",
    "| metric | last | lowest | highest |",
    "|---|---:|---:|---:|",
    ...metrics.map(([name, { last, min, max }]) => `| ${name} | ${last} | ${min} | ${max} |`),
    "",
    ...Object.entries(folder.record.losses ?? {}).map(
      ([metric, protocol]) => `- ${metric}: ${describeProtocol(protocol)}.`,
    ),
    "",
    ...listEvaluations(folder.inside("steps")),
    "## Configuration",
    "",
    "```yaml",
    stringify({
      data: plan.data,
      model: plan.model,
      steps: plan.steps.map(({ action: name, options }) => ({ [name]: options })),
    }).trimEnd(),
    "```",
    "",
  ].join("\n");
}

function listEvaluations(steps: string): string[] {
  const pages = readdirSync(steps)
    .filter((name) => name.endsWith("-evaluate"))
    .map((name) => join(steps, name, "report.md"))
    .filter((path) => existsSync(path));
  return pages.flatMap((path) => [readFileSync(path, "utf8"), ""]);
}
