/**
 * TensorBoard's event file: each metric is a scalar with its step and wall time. Open the folder, or a parent of several such
 * folders, in TensorBoard. Scalars are float32, so digits beyond the seventh are lost.
 */
import protobuf from "protobufjs/light";
import type { MetricLine } from "../../../protocol/run";
import type { HistoryExporter } from "./historyExporter";
import { encodeTfRecord } from "./tfRecord";

const { Field, Root, Type } = protobuf;

// Field numbers of event.proto and summary.proto.
const value = new Type("Value").add(new Field("tag", 1, "string")).add(new Field("simpleValue", 2, "float"));
const summary = new Type("Summary").add(new Field("value", 1, "Value", "repeated"));
const event = new Type("Event")
  .add(new Field("wallTime", 1, "double"))
  .add(new Field("step", 2, "int64"))
  .add(new Field("fileVersion", 3, "string"))
  .add(new Field("summary", 5, "Summary"));
new Root().add(value).add(summary).add(event);

const encodeRecord = (fields: Readonly<Record<string, unknown>>): Buffer =>
  encodeTfRecord(event.encode(fields).finish());

function encodeLine({ step, tokens: _, seconds, ...metrics }: MetricLine, startedAt: number): Buffer {
  const values = Object.entries(metrics).map(([tag, simpleValue]) => ({ tag, simpleValue }));
  const wallTime = startedAt / 1000 + seconds;
  return encodeRecord({ wallTime, step: Math.round(step), summary: { value: values } });
}

export default {
  title: "TensorBoard event file",
  // TensorBoard reads any file with `tfevents` in its name. The number sorts the files of a folder.
  file: ({ startedAt }) => `events.out.tfevents.${Math.floor(startedAt / 1000)}.lathe`,
  content: async function* ({ startedAt, lines }) {
    yield encodeRecord({ wallTime: startedAt / 1000, fileVersion: "brain.Event:2" });
    for await (const some of lines()) yield Buffer.concat(some.map((line) => encodeLine(line, startedAt)));
  },
} satisfies HistoryExporter;
