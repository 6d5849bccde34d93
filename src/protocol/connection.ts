/**
 * Requests and events in both directions over any channel that carries plain data: the host and its service, the host and
 * its pages. Every request is answered, unknown ones too; what is thrown on one side arrives as the same coded error on
 * the other. It knows nothing of what is asked: the maps of requests and events do.
 */
import { type ErrorCode, type ErrorDetails, toWorkbenchError, WorkbenchError } from "./errors";

/** No parameters, no result, no requests. */
export type Empty = Readonly<Record<string, never>>;

/** Name → parameters and result. */
export type RequestMap<R> = {
  readonly [K in keyof R]: { readonly params: unknown; readonly result: unknown };
};

export interface Call {
  /** Aborted when the caller no longer wants the answer, and when the connection ends. */
  readonly signal: AbortSignal;
}

/** Total: a request without a handler does not compile. */
export type Handlers<R extends RequestMap<R>> = {
  readonly [K in keyof R]: (params: R[K]["params"], call: Call) => R[K]["result"] | Promise<R[K]["result"]>;
};

export interface Unsubscribe {
  dispose(): void;
}

/** What one side may ask of the other and hear from it. */
export interface Remote<R extends RequestMap<R>, E> {
  request<K extends keyof R & string>(
    name: K,
    params: R[K]["params"],
    signal?: AbortSignal,
  ): Promise<R[K]["result"]>;
  on<K extends keyof E & string>(name: K, listener: (payload: E[K]) => void): Unsubscribe;
}

export interface Channel {
  /** May throw if the other side is gone. */
  post(message: unknown): void;
  /** Calls the listener with everything that arrives. */
  listen(listener: (message: unknown) => void): void;
}

interface SentError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}
type Message =
  | { readonly kind: "request"; readonly id: number; readonly name: string; readonly params: unknown }
  | { readonly kind: "cancel"; readonly id: number }
  | { readonly kind: "result"; readonly id: number; readonly result: unknown }
  | { readonly kind: "error"; readonly id: number; readonly error: SentError }
  | { readonly kind: "event"; readonly name: string; readonly payload: unknown };

interface PendingRequest {
  resolve(result: unknown): void;
  reject(error: WorkbenchError): void;
}

export interface ConnectionOptions {
  /** Called for errors that answer no request: an internal error of a handler, a listener that threw, an unknown message. */
  readonly onFault: (error: WorkbenchError) => void;
}

/** `Theirs` and `Heard` are what the other side answers and sends, `Ours` and `Sent` what this one does. */
export class Connection<
  Theirs extends RequestMap<Theirs>,
  Heard,
  Ours extends RequestMap<Ours>,
  Sent,
> implements Remote<Theirs, Heard> {
  private readonly pending = new Map<number, PendingRequest>();
  private readonly running = new Map<number, AbortController>();
  private readonly listeners = new Map<string, Set<(payload: never) => void>>();
  private lastId = 0;
  private ended: WorkbenchError | undefined;

  constructor(
    private readonly channel: Channel,
    private readonly handlers: Handlers<Ours>,
    private readonly options: ConnectionOptions,
  ) {
    channel.listen((message) => this.receive((message ?? {}) as Message));
  }

  request<K extends keyof Theirs & string>(
    name: K,
    params: Theirs[K]["params"],
    signal?: AbortSignal,
  ): Promise<Theirs[K]["result"]> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    if (signal?.aborted === true) return Promise.reject(createCancelledError(name));
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const abort = () => {
        if (!this.pending.delete(id)) return;
        this.post({ kind: "cancel", id });
        reject(createCancelledError(name));
      };
      const removeAbortListener = () => signal?.removeEventListener("abort", abort);
      this.pending.set(id, {
        resolve: (result) => {
          removeAbortListener();
          resolve(result);
        },
        reject: (error) => {
          removeAbortListener();
          reject(error);
        },
      });
      signal?.addEventListener("abort", abort, { once: true });
      this.post({ kind: "request", id, name, params });
    });
  }

  on<K extends keyof Heard & string>(name: K, listener: (payload: Heard[K]) => void): Unsubscribe {
    const registered = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, registered.add(listener));
    return { dispose: () => void registered.delete(listener) };
  }

  emit<K extends keyof Sent & string>(name: K, payload: Sent[K]): void {
    if (this.ended === undefined) this.post({ kind: "event", name, payload });
  }

  /** Rejects whatever waits, now and later, and aborts whatever runs here. */
  end(reason: WorkbenchError): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    for (const each of this.pending.values()) each.reject(reason);
    this.pending.clear();
    for (const each of this.running.values()) each.abort(reason);
    this.running.clear();
  }

  private post(message: Message): void {
    try {
      this.channel.post(message);
    } catch (thrown) {
      this.end(
        new WorkbenchError(
          "io",
          `The connection broke: ${(thrown as Error).message}.`,
          {},
          { cause: thrown },
        ),
      );
    }
  }

  private receive(message: Message): void {
    if (this.ended !== undefined) return;
    switch (message.kind) {
      case "request":
        return void this.answer(message.id, message.name, message.params);
      case "cancel":
        return this.running.get(message.id)?.abort(createCancelledError("request"));
      case "result":
        return this.takePending(message.id)?.resolve(message.result);
      case "error": {
        const { code, message: text, details } = message.error;
        return this.takePending(message.id)?.reject(new WorkbenchError(code, text, details));
      }
      case "event":
        for (const listener of this.listeners.get(message.name) ?? []) this.notify(listener, message.payload);
        return;
      default:
        this.options.onFault(
          new WorkbenchError(
            "internal",
            `A message is of no known kind: ${JSON.stringify(message).slice(0, 200)}.`,
          ),
        );
    }
  }

  private async answer(id: number, name: string, params: unknown): Promise<void> {
    const controller = new AbortController();
    this.running.set(id, controller);
    try {
      if (!Object.hasOwn(this.handlers, name))
        throw new WorkbenchError("unsupported", `There is no request ${name}.`);
      const handler = this.handlers[name as keyof Ours];
      const result = await handler(params, { signal: controller.signal });
      // A result that can't cross is an error of this request alone; where the channel is broken, the error fails too.
      if (this.running.has(id)) this.channel.post({ kind: "result", id, result } satisfies Message);
    } catch (thrown) {
      const error = toWorkbenchError(thrown);
      if (error.code === "internal") this.options.onFault(error);
      const { code, message, details } = error;
      if (this.running.has(id)) this.post({ kind: "error", id, error: { code, message, details } });
    } finally {
      this.running.delete(id);
    }
  }

  private notify(listener: (payload: never) => void, payload: unknown): void {
    try {
      listener(payload as never);
    } catch (thrown) {
      this.options.onFault(toWorkbenchError(thrown));
    }
  }

  private takePending(id: number): PendingRequest | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    return pending;
  }
}

function createCancelledError(activity: string): WorkbenchError {
  return new WorkbenchError("cancelled", `${activity} was cancelled.`);
}
