/** Reads a profile of ONNX Runtime: the time of every node of a training step, by kind of operation and by part of the model. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod";
import type { Engine } from "../engine/engine";
import { expandComposites } from "../graph/expand";
import { sortTopologically } from "../graph/graph";
import type { Apply, Value } from "../graph/op";
import type { TrainStepGraph } from "../training/trainStep";
import { countValueFlops } from "../graph/cost";
import type { StepPart } from "./stepParts";

export interface TimeShare {
  readonly name: string;
  readonly seconds: number;
  /** Number of nodes. */
  readonly nodes: number;
  /** Floating-point operations of matrix products. */
  readonly flops: number;
}

export interface StepProfile {
  /** Seconds of the whole run, and the part of it that nodes take. */
  readonly seconds: number;
  readonly nodeSeconds: number;
  /** By ONNX operator, the longest first. */
  readonly kinds: readonly TimeShare[];
  /** By part of the model, the longest first. Nodes that the runtime has renamed are `other`. */
  readonly parts: readonly TimeShare[];
  /** Floating-point operations per second of the matrix products alone. */
  readonly productFlopsPerSecond: number;
}

const eventsSchema = z.array(
  z.object({
    cat: z.string(),
    name: z.string(),
    ts: z.number(),
    dur: z.number(),
    args: z.looseObject({ op_name: z.string().optional() }),
  }),
);
type Event = z.infer<typeof eventsSchema>[number];

/** Operators that multiply matrices, with or without a fused transpose. */
const productKinds: ReadonlySet<string> = new Set(["MatMul", "Gemm", "FusedMatMul"]);

/** The graph of a profiled step, how the engine compiles it, and the part of the model that each value belongs to. */
export interface ProfiledStep extends Pick<Engine, "keeps"> {
  readonly graph: TrainStepGraph;
  readonly parts: ReadonlyMap<Value, StepPart>;
}

/** A folder for the profile of one program. */
export class ProfileFolder implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "lathe-profile-"));
  readonly prefix = join(this.#folder, "step");

  /** Once the program is disposed: the fastest run of the profile, after skipping `warmup` runs. */
  read(step: ProfiledStep, warmup: number): StepProfile {
    const [file] = readdirSync(this.#folder);
    if (file === undefined) throw new Error("ONNX Runtime has written no profile.");
    const events = eventsSchema.parse(JSON.parse(readFileSync(join(this.#folder, file), "utf8")));
    return summarizeProfile(events, step, warmup);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function summarizeProfile(
  events: readonly Event[],
  { graph, keeps, parts }: ProfiledStep,
  warmup: number,
): StepProfile {
  const runs = events.filter(({ name }) => name === "model_run").slice(warmup);
  const fastest = runs.toSorted((a, b) => a.dur - b.dur)[0];
  if (fastest === undefined) throw new Error("The profile of ONNX Runtime has no run.");
  // The runtime executes the bodies of composites; a value that several calls share belongs to the first of them.
  const origins = new Map<Value, Value>();
  const onValue = (value: Value, origin: Value) => origins.has(value) || origins.set(value, origin);
  const order = sortTopologically(Object.values(expandComposites(graph, { keeps, onValue }).outputs));
  const kinds = new Map<string, TimeShare>();
  const byPart = new Map<string, TimeShare>();
  let nodeSeconds = 0;
  let productSeconds = 0;
  let productFlops = 0;
  const nodes = events.filter(
    ({ cat, name, ts }) =>
      cat === "Node" && name.endsWith("_kernel_time") && ts >= fastest.ts && ts <= fastest.ts + fastest.dur,
  );
  for (const { name, dur, args } of subtractInnerTimes(nodes)) {
    const kind = args.op_name ?? "unknown";
    const value = findValue(order, name);
    const seconds = dur / 1e6;
    const flops = productKinds.has(kind) && value !== undefined ? countValueFlops(value) : 0;
    addTime(kinds, kind, seconds, flops);
    addTime(byPart, (value && parts.get(origins.get(value)!)) ?? "other", seconds, flops);
    nodeSeconds += seconds;
    if (flops > 0) productSeconds += seconds;
    productFlops += flops;
  }
  return {
    seconds: fastest.dur / 1e6,
    nodeSeconds,
    kinds: sortByTime(kinds),
    parts: sortByTime(byPart),
    productFlopsPerSecond: productFlops / productSeconds,
  };
}

/** The events with the time that they take themselves: a Scan contains the nodes of its body. */
function subtractInnerTimes(events: readonly Event[]): Event[] {
  const results: Event[] = [];
  const open: { readonly end: number; readonly at: number }[] = [];
  for (const event of events.toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)) {
    const end = event.ts + event.dur;
    while (open.length > 0 && open.at(-1)!.end < end) open.pop();
    const outer = open.at(-1);
    if (outer !== undefined) results[outer.at]!.dur -= event.dur;
    open.push({ end, at: results.push({ ...event }) - 1 });
  }
  return results;
}

/** The encoder names nodes by the number of their value in the graph's listing, for example `12.matmul/Gemm`. */
function findValue(order: readonly Value[], nodeName: string): Apply | undefined {
  const number = /(?:^|[^\d.])(\d+)\.\w+\//.exec(nodeName)?.[1];
  const value = number === undefined ? undefined : order[Number(number)];
  return value?.kind === "apply" ? value : undefined;
}

function addTime(times: Map<string, TimeShare>, name: string, seconds: number, flops: number): void {
  const before = times.get(name) ?? { name, seconds: 0, nodes: 0, flops: 0 };
  times.set(name, {
    name,
    seconds: before.seconds + seconds,
    nodes: before.nodes + 1,
    flops: before.flops + flops,
  });
}

function sortByTime(times: ReadonlyMap<string, TimeShare>): TimeShare[] {
  return [...times.values()].sort((a, b) => b.seconds - a.seconds);
}
