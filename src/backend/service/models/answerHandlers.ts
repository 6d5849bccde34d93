/** Models that answer prompts. The service loads none of them: each is in a process of its own. */
import { basename, dirname, isAbsolute, relative } from "node:path";
import type { Handlers } from "../../../protocol/connection";
import { WorkbenchError } from "../../../protocol/errors";
import type { AnswerRequests } from "../../../protocol/service/answers";
import type { Subject } from "../../../protocol/service/models";
import { mayUsePython } from "../../engine/devices";
import type { Service } from "../service";
import { ModelProcess } from "./modelProcess";
import { resolveModelPath } from "./modelPath";

/** More models in memory at once than any page shows. */
const maxServers = 8;

export function createAnswerHandlers(service: Service): Handlers<AnswerRequests> {
  const servers = new Map<string, ModelProcess>();
  const find = (server: string): ModelProcess => {
    const found = servers.get(server);
    if (found === undefined)
      throw new WorkbenchError("not-found", "The model is not loaded any more. Load it again.");
    return found;
  };
  return {
    "models.serve": async ({ server, subject, device = "auto" }, { signal }) => {
      service.requireTrust("Trying a model");
      if (servers.has(server) || servers.size >= maxServers)
        throw new WorkbenchError(
          "busy",
          servers.has(server)
            ? `The model ${server} is loaded already.`
            : `${maxServers} models are loaded. Remove one of them first.`,
        );
      if (subject.kind === "path" && !isAbsolute(subject.path))
        throw new WorkbenchError("invalid-input", `${subject.path} is not an absolute path of a model.`);
      const path = await resolveModelPath(service, subject, "try");
      if (mayUsePython(device)) await service.adoptPython();
      signal.throwIfAborted();
      const process = new ModelProcess(path, device);
      const kill = () => process.kill();
      signal.addEventListener("abort", kill, { once: true });
      servers.set(server, process);
      process.connection.on("grew", (growth) => service.emit("answerGrew", { server, ...growth }));
      try {
        const model = await process.connection.request("load", {}, signal);
        service.emit("modelServed", { server, model: { title: formatTitle(service, subject), ...model } });
        return await process.ended;
      } catch (thrown) {
        if (signal.aborted) throw new WorkbenchError("cancelled", "The model was removed.");
        throw thrown;
      } finally {
        signal.removeEventListener("abort", kill);
        servers.delete(server);
        process.kill();
      }
    },
    "models.answer": ({ server, ...question }, { signal }) =>
      find(server).connection.request("answer", question, signal),
    "models.stopAnswer": ({ server }) => find(server).connection.request("stopAnswer", {}),
    "models.score": ({ server, ...tokens }, { signal }) =>
      find(server).connection.request("score", tokens, signal),
  };
}

/** The run that the model belongs to, and which of its models it is. */
function formatTitle(service: Service, subject: Subject): string {
  if (subject.kind === "plan") return basename(subject.experiment);
  if (subject.kind === "run") {
    const { name } = service.runs.find(subject.run).summary;
    return subject.checkpoint === undefined ? name : `${name} · ${basename(subject.checkpoint)}`;
  }
  const { path } = subject;
  const run = service.runs.summaries().find(({ folder }) => isInside(folder, path));
  // Steps keep their model in a folder of one name: `1-compress/checkpoint`, `4-export/model`.
  const folder = ["checkpoint", "model"].includes(basename(path)) ? dirname(path) : path;
  return run === undefined ? basename(path) : `${run.name} · ${basename(folder)}`;
}

function isInside(folder: string, path: string): boolean {
  const place = relative(folder, path);
  return place !== "" && !place.startsWith("..") && !isAbsolute(place);
}
