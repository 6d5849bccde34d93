/** `lathe bench`: how fast training steps are here, as a share of what the machine can do. */
import { writeFileSync } from "node:fs";
import { type CodingSpeed, measureCoding } from "../../backend/bench/codingSpeed";
import { renderCostPlot } from "../../backend/bench/costPlot";
import { type CostRow, measureCosts } from "../../backend/bench/costTable";
import { type GenerationSpeed, measureGeneration } from "../../backend/bench/generationSpeed";
import { measureGroupedBlock, type GroupedRow, groupedSizes } from "../../backend/bench/groupedBlock";
import { findExperiment } from "../../backend/bench/findExperiment";
import {
  flopsFormula,
  measureSpeed,
  type Speed,
  type SpeedRequest,
  standardGpt,
} from "../../backend/bench/trainingSpeed";
import type { Engine } from "../../backend/engine/engine";
import { openEngine } from "../../backend/engine/open";
import { dimensionsOf, createShape } from "../../backend/models/model";
import { planFinalShape } from "../../backend/runs/planning/estimate";
import { loadPlans } from "../../backend/runs/planning/loadPlans";
import { describeSavings } from "../../backend/training/memorySavings";
import { getBatchSize } from "../../backend/training/request";
import { WorkbenchError } from "../../protocol/errors";
import type { DeviceName } from "../../schema/device";
import { dataSchema, type SchemaCatalog, trainSchema } from "../../schema/experiment";
import { defineCommand, type Outcome } from "../command";
import { formatBytes, formatCount, formatNumber } from "../../protocol/quantities";
import { benchOneShot, benchAllOneShot } from "../oneShotBench";
import { formatTable } from "../table";
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
  readonly python?: string;
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
    ["--python <path>", "Python with PyTorch, whose times --one-shot shows beside its own; default python3"],
    ["--svg <file>", "also write the scaling table as an SVG file"],
  ],
  async run({ options, catalog, terminal }) {
    const steps = parseSteps(options);
    if (options.coding === true) return createCodingOutcome(measureCoding((line) => terminal.log(line)));
    if (options.oneShot === true) return await benchAllOneShot(terminal, options.python);
    const request =
      options.model === undefined
        ? standardRequest
        : await createModelRequest(options.model, options, catalog);
    await using engine = await openEngine((options.device ?? "cpu") as DeviceName);
    for (const notice of engine.device.notices) terminal.log(notice);
    const log = (line: string) => terminal.log(line);
    if (options.oneShot !== undefined)
      return await benchOneShot(engine, options.oneShot, parseWidth(options), options.python);
    if (options.grouped === true) return await benchGrouped(engine, terminal, steps);
    const speed = await measureSpeed(engine, { ...request, steps: steps ?? request.steps }, log);
    const generation =
      options.generation === true ? await measureGeneration(engine, standardGpt, log) : undefined;
    const rows: CostRow[] = [];
    if (options.table === true || options.svg !== undefined)
      for await (const row of measureCosts(engine)) {
        log(`${row.axis} ${row.value}: ${(row.speed.secondsPerStep * 1000).toFixed(1)} ms a step`);
        rows.push(row);
      }
    if (options.svg !== undefined) writeFileSync(options.svg, renderCostPlot(rows));
    return {
      document: {
        device: engine.device,
        flopsFormula,
        model: request.title,
        speed,
        generation: generation,
        table: rows,
      },
      text: [
        `${engine.device.name} (${engine.device.description})`,
        formatSpeed(request.title, speed),
        ...(generation === undefined ? [] : [formatGenerationSpeed(generation)]),
        ...(rows.length > 0 ? [formatCostTable(rows, terminal)] : []),
      ].join("\n\n"),
    };
  },
});

function createCodingOutcome(coding: CodingSpeed): Outcome {
  const formatThroughput = (perSecond: number) => `${(perSecond / 1e9).toFixed(3)} GB/s`;
  return {
    document: { coding },
    text: [
      `DFloat11 of ${formatCount(coding.weights)} normal bfloat16 weights: ${coding.bitsPerWeight.toFixed(3)} bits a weight.`,
      `Written at ${formatThroughput(coding.encoding)}, read at ${formatThroughput(coding.decoding)} on one core; a plain copy runs at ${formatThroughput(coding.copying)}: ${coding.ratio.toFixed(3)} of it.`,
    ].join("\n"),
  };
}

async function benchGrouped(
  engine: Engine,
  terminal: Terminal,
  rounds = groupedSizes.rounds,
): Promise<Outcome> {
  const rows: GroupedRow[] = [];
  for await (const row of measureGroupedBlock(engine, { ...groupedSizes, rounds })) {
    rows.push(row);
    const speedups = Object.entries(row.speedup).map(([name, each]) => `${name} ${each.toFixed(2)}×`);
    terminal.log(`width ${row.width}, ${row.rows} tokens, ${row.pass}: ${speedups.join(", ")}`);
  }
  const names = Object.keys(rows[0]!.speedup);
  const table = formatTable(
    ["width", "tokens", "pass", "dense ms", ...names],
    rows.map(({ width, rows: tokens, pass, denseMilliseconds, speedup }) => [
      String(width),
      String(tokens),
      pass,
      denseMilliseconds.toFixed(1),
      ...names.map((name) => `${speedup[name]!.toFixed(2)}×`),
    ]),
    terminal,
  );
  return {
    document: { device: engine.device, grouped: rows },
    text: [
      `${engine.device.name} (${engine.device.description})`,
      "How many times faster than the dense layer a block of 12 groups is, by layout (medians of rounds in turn):",
      table,
    ].join("\n\n"),
  };
}

interface TitledSpeedRequest extends SpeedRequest {
  readonly title: string;
}

const standardRequest: TitledSpeedRequest = {
  title: `GPT of ${standardGpt.n_layer} layers, width ${standardGpt.n_embd}, ${standardGpt.n_head} heads`,
  shape: createShape(standardGpt),
  rows: 8,
  length: 256,
  steps: 10,
  warmup: 3,
};

function parseSteps({ steps }: Options): number | undefined {
  if (steps === undefined || /^[1-9]\d{0,5}$/.test(steps))
    return steps === undefined ? undefined : Number(steps);
  throw new WorkbenchError("invalid-input", `--steps must be a whole number of at least 1, not ${steps}.`);
}

/** Whole heads of 64 channels. */
function parseWidth({ width = "768" }: Options): number {
  if (/^[1-9]\d{1,4}$/.test(width) && Number(width) % 64 === 0) return Number(width);
  throw new WorkbenchError("invalid-input", `--width must be a multiple of 64 below 100,000, not ${width}.`);
}

/** The model, batch and options of an experiment's training. Its weights are drawn and its text is made up. */
async function createModelRequest(
  name: string,
  { variant }: Options,
  catalog: SchemaCatalog,
): Promise<TitledSpeedRequest> {
  const { workspace, plans } = await loadPlans(findExperiment(name), { variant }, catalog);
  const plan = plans[0]!;
  const shape = await planFinalShape(plan, workspace);
  const trainOptions = plan.steps.find(({ action }) => action === "train")?.options ?? {};
  return {
    title: plan.variant === "" || plans.length === 1 ? plan.name : `${plan.name}, variant ${plan.variant}`,
    shape,
    rows: getBatchSize(trainSchema.parse(trainOptions)),
    length: plan.data === undefined ? dimensionsOf(shape).context : dataSchema.parse(plan.data).sequence_len,
    steps: 3,
    warmup: 0,
    train: trainOptions,
  };
}

const formatFlopRate = (flops: number) => `${(flops / 1e9).toFixed(1)} GFLOP/s`;

function formatSpeed(title: string, speed: Speed): string {
  const { seconds } = speed;
  const lines: readonly (readonly [string, string])[] = [
    ["model", `${title}, ${formatCount(speed.parameters)} parameters`],
    ["batch", `${speed.rows} × ${speed.length} tokens, optimizer inside the step`],
    [
      "step",
      `${speed.secondsPerStep.toFixed(3)} s (median of ${seconds.map((each) => each.toFixed(3)).join(", ")})`,
    ],
    ["memory", describeSavings(speed.savings) ?? "no recomputation, no chunks"],
    ["tokens", `${formatCount(speed.tokensPerSecond)} a second`],
    ["model rate", `${formatFlopRate(speed.flopsPerSecond)} (${flopsFormula})`],
    [
      "ceiling",
      `${formatFlopRate(speed.ceilingFlopsPerSecond)} in a plain matrix product, measured between the steps (median)`,
    ],
    ["ratio", speed.ratio.toFixed(3)],
    [
      "peak memory",
      `${formatBytes(speed.peakBytes)} of the process; ${formatBytes(speed.estimatedBytes)} expected for the graph`,
    ],
    ["loss", `${speed.lossFirst.toFixed(4)} → ${speed.lossLast.toFixed(4)}`],
  ];
  return formatList(lines);
}

function formatGenerationSpeed({
  promptTokens,
  newTokens,
  cached,
  uncached,
  ratio,
}: GenerationSpeed): string {
  const formatSpeeds = (speed: GenerationSpeed["cached"]) =>
    `${formatNumber(speed.promptTokensPerSecond)} tokens of a prompt a second, ${formatNumber(speed.newTokensPerSecond)} new ones`;
  return formatList([
    ["writing", `${newTokens} tokens after a prompt of ${promptTokens}, one text (medians)`],
    ["with cache", formatSpeeds(cached)],
    ["without", formatSpeeds(uncached)],
    ["ratio", `${formatNumber(ratio)} times as many new tokens with the cache`],
  ]);
}

function formatList(lines: readonly (readonly [string, string])[]): string {
  return lines.map(([name, value]) => `${name.padEnd(12)} ${value}`).join("\n");
}

function formatCostTable(rows: readonly CostRow[], terminal: Terminal): string {
  const head = ["axis", "value", "parameters", "ms a step", "tokens/s", "model GFLOP/s", "ratio"];
  return formatTable(
    head,
    rows.map(({ axis, value, speed }) => [
      axis,
      String(value),
      formatCount(speed.parameters),
      (speed.secondsPerStep * 1000).toFixed(1),
      formatCount(speed.tokensPerSecond),
      (speed.flopsPerSecond / 1e9).toFixed(1),
      speed.ratio.toFixed(2),
    ]),
    terminal,
  );
}
