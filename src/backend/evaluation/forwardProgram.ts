/** A compiled forward pass of a model that computes outputs for selected rows of batches of windows. */
import { WorkbenchError } from "../../protocol/errors";
import type { Engine, Program, Tensors } from "../engine/engine";
import { input, type Value } from "../graph/op";
import { buildInferenceForward, toInferenceTensors } from "../models/inference";
import { disposeAll, pickTensors } from "../training/evaluateLoss";
import { uploadAll } from "../training/feeds";
import type { Subject } from "./metric";

export interface ForwardSize {
  readonly batch: number;
  readonly time: number;
  /** Number of rows of [batch · time] to compute outputs for. */
  readonly rows: number;
  /** Whether the inputs include the document and position of each token, [batch · time]. */
  readonly segments?: boolean;
  readonly positions?: boolean;
  /** Whether the inputs include token types; a model without token types ignores them. */
  readonly types?: boolean;
}

/** int32 data by input name; `tokens` [batch · time] and `rows` [rows] are required. */
export type ForwardFeeds = Readonly<Record<string, Int32Array>>;

export class ForwardProgram implements AsyncDisposable {
  private constructor(
    private readonly engine: Engine,
    private readonly size: ForwardSize,
    private readonly program: Program,
    private readonly weights: Tensors,
    /** Whether the weights are disposed with the program. */
    private readonly ownsWeights: boolean,
  ) {}

  /**
   * `answer` computes the output from the logits [rows, vocabulary]; its additional inputs are int32 [rows]. `weights` are
   * those of the model on the device, if several programs share them.
   */
  static async open(
    engine: Engine,
    { shape, tensors }: Pick<Subject, "shape" | "tensors">,
    size: ForwardSize,
    answer: (logits: Value) => Value,
    weights?: Tensors,
  ): Promise<ForwardProgram> {
    const grid = (name: string) => input(name, [size.batch, size.time], "int32");
    const logits = buildInferenceForward(
      shape,
      {
        tokens: grid("tokens"),
        ...(size.segments === true ? { segments: grid("segments") } : {}),
        ...(size.positions === true ? { positions: grid("positions") } : {}),
        ...(size.types === true ? { types: grid("types") } : {}),
      },
      { rows: input("rows", [size.rows], "int32") },
    );
    const program = await engine.compile({ outputs: { answer: answer(logits) } });
    const ownsWeights = weights === undefined;
    const used = weights ?? uploadAll(engine, toInferenceTensors(shape, tensors));
    return new ForwardProgram(engine, size, program, used, ownsWeights);
  }

  async run(feeds: ForwardFeeds, signal: AbortSignal): Promise<Float32Array> {
    if (signal.aborted) throw new WorkbenchError("cancelled", "The evaluation was stopped.");
    const { batch, time, rows } = this.size;
    const uploaded = Object.fromEntries(
      Object.entries(feeds).map(([name, data]) => {
        const isGrid = name === "tokens" || name === "segments" || name === "positions" || name === "types";
        const shape = isGrid ? [batch, time] : [rows];
        // Copy the array, because the engine keeps it.
        return [name, this.engine.upload({ dtype: "int32", shape }, data.slice())];
      }),
    );
    const outputs = await this.program.run(
      pickTensors(this.program.inputs, { ...this.weights, ...uploaded }),
    );
    const answer = (await outputs.answer!.read()).slice() as Float32Array;
    disposeAll(uploaded);
    disposeAll(outputs);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ownsWeights) disposeAll(this.weights);
    await this.program[Symbol.asyncDispose]();
  }
}
