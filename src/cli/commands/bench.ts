/** `lathe bench`: how fast training steps are here, as a share of what the machine can do. */
import { writeFileSync } from "node:fs";
import Table from "cli-table3";
import { type CodingSpeed, measureCoding } from "../../backend/bench/codingSpeed";
import { costPlot } from "../../backend/bench/costPlot";
import { type CostRow, costTable } from "../../backend/bench/costTable";
import { type GenerationSpeed, measureGeneration } from "../../backend/bench/generationSpeed";
import { groupedBlock, type GroupedRow, groupedSizes } from "../../backend/bench/groupedBlock";
import { experimentNamed } from "../../backend/bench/namedExperiment";
import {
  flopsFormula,
  measureSpeed,
  type Speed,
  type SpeedRequest,
  standardGpt,
} from "../../backend/bench/trainingSpeed";
import type { Engine } from "../../backend/engine/engine";
import { openEngine } from "../../backend/engine/onnxRuntime";
import { dimensionsOf, shapeFromConfig } from "../../backend/models/model";
import { shapeAfter } from "../../backend/runs/planning/estimate";
import { loadPlans } from "../../backend/runs/planning/loadPlans";
import { describeSavings } from "../../backend/training/memorySavings";
import { batchSizeOf } from "../../backend/training/request";
import { WorkbenchError } from "../../protocol/errors";
import { dataSchema, type DeviceName, type SchemaCatalog, trainSchema } from "../../schema/experiment";
import { defineCommand, type Outcome } from "../command";
import { bytes, count, figure } from "../../protocol/quantities";
import { oneShotCase, oneShotOutcome } from "../oneShotBench";
import type { Terminal } from "../terminal";

interface Options {
  readonly model?: string;
  readonly variant?: string;
  readonly device?: string;
  readonly steps?: string;
  readonly grouped?: boolean;
  readonly table?: boolean;
  readonly generation?: boolean;
  readonly coding?: boolean;
  readonly oneShot?: string | true;
  readonly width?: string;
  readonly svg?: string;
}

export default defineCommand<readonly [], Options>({
  summary: "time training steps and plain matrix products, in one process",
  options: [
    ["--device <name>", "auto, cpu, webgpu, cuda, dml or coreml"],
    ["--model <experiment>", "time the model of an experiment, such as kphi3-55C or a file, for three steps"],
    ["--variant <name>", "variant of the experiment"],
    ["--steps <number>", "timed steps, or rounds of --grouped"],
    ["--grouped", "time only a grouped block and the dense layer it replaces, in every layout"],
    ["--table", "also measure how the time grows with width, depth, sequence and batch"],
    ["--generation", "also time generation, with and without a key-value cache"],
    ["--coding", "time only DFloat11 encoding and decoding, and a plain copy"],
    [
      "--one-shot [method]",
      "time only the compression of one matrix of 768 and one of 3072 inputs, by one method or by every one that needs at most calibration text",
    ],
    ["--width <number>", "width of the matrix of --one-shot METHOD; default 768"],
    ["--svg <file>", "also write the scaling table as an SVG file"],
  ],
  async run({ options, catalog, terminal }) {
    const steps = stepsOf(options);
    if (options.coding === true) return codingOutcome(measureCoding((line) => terminal.say(line)));
    if (options.oneShot === true) return await oneShotOutcome(terminal);
    const asked = options.model === undefined ? standard : await modelOf(options.model, options, catalog);
    await using engine = await openEngine((options.device ?? "cpu") as DeviceName);
    for (const notice of engine.device.notices) terminal.say(notice);
    const say = (line: string) => terminal.say(line);
    if (options.oneShot !== undefined) return await oneShotCase(engine, options.oneShot, widthOf(options));
    if (options.grouped === true) return await groupedOutcome(engine, terminal, steps);
    const speed = await measureSpeed(engine, { ...asked, steps: steps ?? asked.steps }, say);
    const writing =
      options.generation === true ? await measureGeneration(engine, standardGpt, say) : undefined;
    const rows: CostRow[] = [];
    if (options.table === true || options.svg !== undefined)
      for await (const row of costTable(engine)) {
        say(`${row.axis} ${row.value}: ${(row.speed.secondsPerStep * 1000).toFixed(1)} ms a step`);
        rows.push(row);
      }
    if (options.svg !== undefined) writeFileSync(options.svg, costPlot(rows));
    return {
      document: {
        device: engine.device,
        flopsFormula,
        model: asked.title,
        speed,
        generation: writing,
        table: rows,
      },
      text: [
        `${engine.device.name} (${engine.device.description})`,
        summary(asked.title, speed),
        ...(writing === undefined ? [] : [writingSummary(writing)]),
        ...(rows.length > 0 ? [tableOf(rows, terminal)] : []),
      ].join("\n\n"),
    };
  },
});

function codingOutcome(coding: CodingSpeed): Outcome {
  const rate = (perSecond: number) => `${(perSecond / 1e9).toFixed(3)} GB/s`;
  return {
    document: { coding },
    text: [
      `DFloat11 of ${count(coding.weights)} normal bfloat16 weights: ${coding.bitsPerWeight.toFixed(3)} bits a weight.`,
      `Written at ${rate(coding.encoding)}, read at ${rate(coding.decoding)} on one core; a plain copy runs at ${rate(coding.copying)}: ${coding.ratio.toFixed(3)} of it.`,
    ].join("\n"),
  };
}

async function groupedOutcome(
  engine: Engine,
  terminal: Terminal,
  rounds = groupedSizes.rounds,
): Promise<Outcome> {
  const rows: GroupedRow[] = [];
  for await (const row of groupedBlock(engine, { ...groupedSizes, rounds })) {
    rows.push(row);
    const speedups = Object.entries(row.speedup).map(([name, each]) => `${name} ${each.toFixed(2)}×`);
    terminal.say(`width ${row.width}, ${row.rows} tokens, ${row.pass}: ${speedups.join(", ")}`);
  }
  const names = Object.keys(rows[0]!.speedup);
  const table = terminalTable(["width", "tokens", "pass", "dense ms", ...names], 3, terminal);
  for (const { width, rows: tokens, pass, denseMilliseconds, speedup } of rows)
    table.push([
      width,
      tokens,
      pass,
      denseMilliseconds.toFixed(1),
      ...names.map((name) => `${speedup[name]!.toFixed(2)}×`),
    ]);
  return {
    document: { device: engine.device, grouped: rows },
    text: [
      `${engine.device.name} (${engine.device.description})`,
      "How many times faster than the dense layer a block of 12 groups is, by layout (medians of rounds in turn):",
      table.toString(),
    ].join("\n\n"),
  };
}

interface Asked extends SpeedRequest {
  readonly title: string;
}

const standard: Asked = {
  title: `GPT of ${standardGpt.n_layer} layers, width ${standardGpt.n_embd}, ${standardGpt.n_head} heads`,
  shape: shapeFromConfig(standardGpt),
  rows: 8,
  length: 256,
  steps: 10,
  warmup: 3,
};

function stepsOf({ steps }: Options): number | undefined {
  if (steps === undefined || /^[1-9]\d{0,5}$/.test(steps))
    return steps === undefined ? undefined : Number(steps);
  throw new WorkbenchError("invalid-input", `--steps must be a whole number of at least 1, not ${steps}.`);
}

/** Whole heads of 64 channels. */
function widthOf({ width = "768" }: Options): number {
  if (/^[1-9]\d{1,4}$/.test(width) && Number(width) % 64 === 0) return Number(width);
  throw new WorkbenchError("invalid-input", `--width must be a multiple of 64 below 100,000, not ${width}.`);
}

/** The model, batch and options of an experiment's training. Its weights are drawn and its text is made up. */
async function modelOf(name: string, { variant }: Options, catalog: SchemaCatalog): Promise<Asked> {
  const { workspace, plans } = await loadPlans(experimentNamed(name), { variant }, catalog);
  const plan = plans[0]!;
  const shape = await shapeAfter(plan, workspace);
  const given = plan.steps.find(({ action }) => action === "train")?.options ?? {};
  return {
    title: plan.variant === "" || plans.length === 1 ? plan.name : `${plan.name}, variant ${plan.variant}`,
    shape,
    rows: batchSizeOf(trainSchema.parse(given)),
    length: plan.data === undefined ? dimensionsOf(shape).context : dataSchema.parse(plan.data).sequence_len,
    steps: 3,
    warmup: 0,
    train: given,
  };
}

const giga = (flops: number) => `${(flops / 1e9).toFixed(1)} GFLOP/s`;

function summary(title: string, speed: Speed): string {
  const { seconds } = speed;
  const lines: readonly (readonly [string, string])[] = [
    ["model", `${title}, ${count(speed.parameters)} parameters`],
    ["batch", `${speed.rows} × ${speed.length} tokens, optimizer inside the step`],
    [
      "step",
      `${speed.secondsPerStep.toFixed(3)} s (median of ${seconds.map((each) => each.toFixed(3)).join(", ")})`,
    ],
    ["memory", describeSavings(speed.savings) ?? "no recomputation, no chunks"],
    ["tokens", `${count(speed.tokensPerSecond)} a second`],
    ["model rate", `${giga(speed.flopsPerSecond)} (${flopsFormula})`],
    [
      "ceiling",
      `${giga(speed.ceilingFlopsPerSecond)} in a plain matrix product, measured between the steps (median)`,
    ],
    ["ratio", speed.ratio.toFixed(3)],
    [
      "peak memory",
      `${bytes(speed.peakBytes)} of the process; ${bytes(speed.estimatedBytes)} expected for the graph`,
    ],
    ["loss", `${speed.lossFirst.toFixed(4)} → ${speed.lossLast.toFixed(4)}`],
  ];
  return listed(lines);
}

function writingSummary({ promptTokens, newTokens, cached, uncached, ratio }: GenerationSpeed): string {
  const speeds = (speed: GenerationSpeed["cached"]) =>
    `${figure(speed.promptTokensPerSecond)} tokens of a prompt a second, ${figure(speed.newTokensPerSecond)} new ones`;
  return listed([
    ["writing", `${newTokens} tokens after a prompt of ${promptTokens}, one text (medians)`],
    ["with cache", speeds(cached)],
    ["without", speeds(uncached)],
    ["ratio", `${figure(ratio)} times as many new tokens with the cache`],
  ]);
}

function listed(lines: readonly (readonly [string, string])[]): string {
  return lines.map(([name, value]) => `${name.padEnd(12)} ${value}`).join("\n");
}

/** The first columns to the left, numbers to the right. */
function terminalTable(head: readonly string[], left: number, terminal: Terminal) {
  return new Table({
    head: head.map((each) => terminal.colors.bold(each)),
    colAligns: head.map((_, column) => (column < left ? "left" : "right")),
    style: { head: [], border: [], compact: true },
  });
}

function tableOf(rows: readonly CostRow[], terminal: Terminal): string {
  const head = ["axis", "value", "parameters", "ms a step", "tokens/s", "model GFLOP/s", "ratio"];
  const table = terminalTable(head, 1, terminal);
  for (const { axis, value, speed } of rows)
    table.push([
      axis,
      value,
      count(speed.parameters),
      (speed.secondsPerStep * 1000).toFixed(1),
      count(speed.tokensPerSecond),
      (speed.flopsPerSecond / 1e9).toFixed(1),
      speed.ratio.toFixed(2),
    ]);
  return table.toString();
}
