/** Writes the current model in a format that other programs read. */
import { join } from "node:path";
import type { Step } from "../../../protocol/run";
import { exportModel, findExporter, refuseShape } from "../../exports/exportModel";
import { formatSizeTable } from "../../exports/savings";
import { writeAtomic } from "../folder/atomicFile";
import type { ModelShape } from "../../models/model";
import type { Action } from "../steps/action";

const action: Action = {
  async perform({ step, workpiece, workshop: { context, tokenizer }, folder }) {
    const { format, ...options } = step.options;
    const { shape, tensors } = workpiece;
    const exported = await exportModel(
      { shape, tensors, tokenizer },
      { ...options, format: String(format) },
      join(folder, "model"),
    );
    for (const notice of exported.notices) context.notice(notice);
    const files = exported.files.map(({ name, bytes }) => `${name} (${bytes} bytes)`);
    context.log(`Exported as ${exported.format} to ${exported.folder}: ${files.join(", ")}.`);
    for (const line of formatSizeTable(exported.sizes)) context.log(line);
    writeAtomic(
      join(folder, "export.json"),
      `${JSON.stringify({ ...exported, folder: "model" }, undefined, 2)}\n`,
      { durable: true },
    );
    return workpiece;
  },
};

export default action;

/** Throws the reason why the step cannot export this model. */
export function refuseExport(shape: ModelShape, { options: { format, ...options } }: Step): void {
  refuseShape(shape, String(format), findExporter(String(format)).options.parse(options));
}
