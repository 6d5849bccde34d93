/** A model of the panel: its process, which is held by one request, and its state. */
import { toWorkbenchError, WorkbenchError } from "../../src/protocol/errors";
import type { Host } from "../../src/protocol/page";
import type { ServedModel } from "../../src/protocol/service/answers";
import type { Subject } from "../../src/protocol/service/models";
import type { RunSummary } from "../../src/protocol/service/runs";
import { updateTitle } from "../kit/subjectTitles";

let count = 0;

export class TriedModel {
  state: "unloaded" | "loading" | "ready" | "failed" = "unloaded";
  /** What is known of it since it was last loaded. */
  info: ServedModel | undefined;
  /** As the service has named it. */
  title: string | undefined;
  /** Why it could not be loaded, or has ended. */
  problem: string | undefined;
  /** The name of its process. */
  server = "";
  private controller: AbortController | undefined;
  private loading: Promise<ServedModel> | undefined;
  private take: ((model: ServedModel) => void) | undefined;

  constructor(
    readonly subject: Subject,
    private readonly device: string | undefined,
    private readonly host: Host,
    private readonly onChange: () => void,
  ) {}

  /** Starts the process if it does not run. */
  load(): Promise<ServedModel> {
    return (this.loading ??= this.start());
  }

  /** The service reports a loaded model. */
  served(server: string, model: ServedModel): void {
    if (server === this.server) this.take?.(model);
  }

  /** Its run may have another name now. */
  rename(changed: readonly RunSummary[]): void {
    if (this.title !== undefined) this.title = updateTitle(this.title, this.subject, changed);
  }

  /** Frees the model. */
  close(): void {
    this.controller?.abort();
    this.loading = undefined;
    this.state = "unloaded";
  }

  private start(): Promise<ServedModel> {
    const controller = new AbortController();
    const server = `model-${Date.now().toString(36)}-${count++}`;
    this.controller = controller;
    this.server = server;
    this.state = "loading";
    this.problem = undefined;
    this.onChange();
    return new Promise<ServedModel>((resolve, reject) => {
      this.take = (model) => {
        this.info = model;
        this.title = model.title;
        this.state = "ready";
        this.onChange();
        resolve(model);
      };
      const fail = (thrown: unknown) => {
        const error = toWorkbenchError(thrown);
        reject(error);
        if (this.controller !== controller || controller.signal.aborted) return;
        this.loading = undefined;
        this.state = "failed";
        this.problem = error.message;
        this.onChange();
      };
      const { subject, device } = this;
      const request = { server, subject, ...(device === undefined ? {} : { device }) };
      this.host
        .request("models.serve", request, controller.signal)
        .then(() => fail(new WorkbenchError("process-died", "The process of the model has ended.")), fail);
    });
  }
}
