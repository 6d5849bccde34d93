/** `lathe serve MODEL`: holds a model for the program that started it, such as the panel Try Model, and answers its requests. */
import { once } from "node:events";
import { Connection, type Empty } from "../../protocol/connection";
import { WorkbenchError } from "../../protocol/errors";
import type { ModelProcessEvents, ModelProcessRequests } from "../../protocol/service/answers";
import { defineCommand } from "../command";
import { deviceOption, openLab } from "../evaluationLab";
import {
  checkpointOption,
  loadModel,
  modelArgument,
  type ModelOptions,
  openModelTokenizer,
  readingOptions,
  tokenizerOption,
} from "../modelArgument";
import { ModelServer } from "../modelServer";
import type { Terminal } from "../terminal";

interface Options extends ModelOptions {
  readonly device?: string;
}

export default defineCommand<readonly [string], Options>({
  summary: "hold a model for the program that starts this command, such as the panel Try Model",
  arguments: [modelArgument],
  options: [tokenizerOption, checkpointOption, ...readingOptions, deviceOption],
  async run({ args: [text], options, terminal }) {
    if (process.send === undefined)
      throw new WorkbenchError(
        "invalid-input",
        "lathe serve answers only the program that starts it, through a channel of Node. To generate text, run lathe generate.",
      );
    let server: Promise<ModelServer> | undefined;
    const open = () => (server ??= openServer(text, options, terminal));
    const connection = new Connection<Empty, Empty, ModelProcessRequests, ModelProcessEvents>(
      {
        // A closing channel reports each message that it rejects; `disconnect` then ends the process.
        post: (message) => void process.send!(message, undefined, undefined, () => undefined),
        listen: (listener) => void process.on("message", listener),
      },
      {
        load: async () => (await open()).describe(),
        answer: async ({ answer, ...question }, { signal }) =>
          (await open()).answer(question, (growth) => connection.emit("grew", { answer, ...growth }), signal),
        stopAnswer: async () => {
          (await open()).stopAnswer();
          return {};
        },
        score: async (tokens, { signal }) => (await open()).score(tokens, signal),
      },
      { onFault: (error) => terminal.log(error.stack ?? error.message) },
    );
    await once(process, "disconnect");
    connection.end(new WorkbenchError("cancelled", "The program that started lathe serve has ended."));
    await (await server)?.[Symbol.asyncDispose]();
    return { document: {}, text: "" };
  },
});

async function openServer(text: string, options: Options, terminal: Terminal): Promise<ModelServer> {
  const model = await loadModel(text, options, terminal);
  const tokenizer = await openModelTokenizer(model, options);
  const lab = await openLab({ device: options.device }, terminal);
  try {
    return new ModelServer({ ...model, notices: model.notices ?? [], tokenizer, lab });
  } catch (thrown) {
    await lab[Symbol.asyncDispose]();
    throw thrown;
  }
}
