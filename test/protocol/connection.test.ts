import { describe, expect, it } from "vitest";
import { type Channel, Connection, type Handlers, type Empty } from "../../src/protocol/connection";
import { InvalidInput, WorkbenchError } from "../../src/protocol/errors";
import { createChannels } from "../support/channels";

interface Requests {
  double: { params: { readonly value: number }; result: number };
  wait: { params: Empty; result: string };
  fail: { params: { readonly how: "coded" | "plain" | "text" | "several" }; result: never };
}
interface Events {
  ticked: { readonly count: number };
}

function pair(given: Partial<Handlers<Requests>> = {}) {
  const [near, far] = createChannels();
  const faults: WorkbenchError[] = [];
  const handlers: Handlers<Requests> = {
    double: ({ value }) => value * 2,
    wait: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      }),
    fail: ({ how }) => {
      if (how === "coded") throw new WorkbenchError("busy", "Somebody has it.", { allowed: ["later"] });
      if (how === "several")
        throw new InvalidInput([
          new WorkbenchError("invalid-input", "One."),
          new WorkbenchError("invalid-input", "Two."),
        ]);
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- A library may throw anything.
      throw how === "text" ? "just text" : new TypeError("x is not a function");
    },
    ...given,
  };
  const onFault = (error: WorkbenchError) => void faults.push(error);
  const client = new Connection<Requests, Events, Empty, Empty>(near, {}, { onFault });
  const server = new Connection<Empty, Empty, Requests, Events>(far, handlers, { onFault });
  return { client, server, faults, far };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("a request", () => {
  it("is answered with its own result, in whatever order requests end", async () => {
    const { client } = pair({
      double: async ({ value }) => {
        await new Promise((resolve) => setTimeout(resolve, 10 - value));
        return value * 2;
      },
    });
    const answers = await Promise.all([1, 2, 3].map((value) => client.request("double", { value })));
    expect(answers).toEqual([2, 4, 6]);
  });

  it("with an unknown name is refused, even for a name that every object has", async () => {
    const { client, faults } = pair();
    for (const name of ["nothing", "constructor", "__proto__", "toString"])
      await expect(client.request(name as "double", { value: 1 })).rejects.toMatchObject({
        name: "WorkbenchError",
        code: "unsupported",
        message: `There is no request ${name}.`,
      });
    expect(faults).toEqual([]);
  });

  it("fails with the thrown code, message and details", async () => {
    const { client, faults } = pair();
    const coded = client.request("fail", { how: "coded" });
    await expect(coded).rejects.toBeInstanceOf(WorkbenchError);
    await expect(coded).rejects.toMatchObject({
      code: "busy",
      message: "Somebody has it.",
      details: { allowed: ["later"] },
    });
    await expect(client.request("fail", { how: "several" })).rejects.toMatchObject({
      code: "invalid-input",
      message: "One.\nTwo.",
    });
    expect(faults).toEqual([]);
  });

  it("that causes an internal error is answered as internal, and the error is reported with its origin", async () => {
    const { client, faults } = pair();
    await expect(client.request("fail", { how: "plain" })).rejects.toMatchObject({
      code: "internal",
      message: "x is not a function",
    });
    await expect(client.request("fail", { how: "text" })).rejects.toMatchObject({
      code: "internal",
      message: "just text",
    });
    expect(faults.map(({ code }) => code)).toEqual(["internal", "internal"]);
    expect(faults[0]!.cause).toBeInstanceOf(TypeError);
  });

  it("whose result can't be cloned is still answered", async () => {
    const { client } = pair({ double: () => (() => 1) as unknown as number });
    await expect(client.request("double", { value: 1 })).rejects.toMatchObject({ code: "internal" });
    await expect(client.request("fail", { how: "coded" })).rejects.toMatchObject({ code: "busy" });
  });
});

describe("cancellation", () => {
  it("rejects the caller immediately and aborts the handler on the other side", async () => {
    let aborted: unknown;
    const { client } = pair({
      wait: (_, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            aborted = signal.reason;
            resolve("nobody hears this");
          });
        }),
    });
    const controller = new AbortController();
    const answer = client.request("wait", {}, controller.signal);
    await turn();
    controller.abort();
    await expect(answer).rejects.toMatchObject({ code: "cancelled", message: "wait was cancelled." });
    await turn();
    expect(aborted).toMatchObject({ code: "cancelled" });
    expect(await client.request("double", { value: 4 })).toBe(8);
  });

  it("before the request is sent sends nothing", async () => {
    let calls = 0;
    const { client } = pair({ double: () => ++calls });
    await expect(client.request("double", { value: 1 }, AbortSignal.abort())).rejects.toMatchObject({
      code: "cancelled",
    });
    await turn();
    expect(calls).toBe(0);
  });

  it("after the answer does nothing", async () => {
    const { client, faults } = pair();
    const controller = new AbortController();
    expect(await client.request("double", { value: 2 }, controller.signal)).toBe(4);
    controller.abort();
    await turn();
    expect(faults).toEqual([]);
  });

  it("by the answering side reaches the caller as cancelled", async () => {
    const { client } = pair({
      wait: () => Promise.reject(new WorkbenchError("cancelled", "It was stopped here.")),
    });
    await expect(client.request("wait", {})).rejects.toMatchObject({
      code: "cancelled",
      message: "It was stopped here.",
    });
  });
});

describe("an event", () => {
  it("reaches every listener until it is disposed, and no other one", async () => {
    const { client, server } = pair();
    const [first, second]: [number[], number[]] = [[], []];
    const listening = client.on("ticked", ({ count }) => first.push(count));
    client.on("ticked", ({ count }) => second.push(count));
    server.emit("ticked", { count: 1 });
    await turn();
    listening.dispose();
    server.emit("ticked", { count: 2 });
    await turn();
    expect([first, second]).toEqual([[1], [1, 2]]);
  });

  it("whose listener throws still reaches the others, and the error is reported", async () => {
    const { client, server, faults } = pair();
    const heard: number[] = [];
    client.on("ticked", () => {
      throw new Error("a broken listener");
    });
    client.on("ticked", ({ count }) => heard.push(count));
    server.emit("ticked", { count: 1 });
    await turn();
    expect(heard).toEqual([1]);
    expect(faults).toMatchObject([{ code: "internal", message: "a broken listener" }]);
  });
});

describe("the end of a connection", () => {
  it("rejects pending and later requests with its reason, and aborts running handlers", async () => {
    let aborted = false;
    const { client, server } = pair({
      wait: (_, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            aborted = true;
            resolve("");
          });
        }),
    });
    const answer = client.request("wait", {});
    await turn();
    const why = new WorkbenchError("io", "The other side died.");
    client.end(why);
    await expect(answer).rejects.toBe(why);
    await expect(client.request("double", { value: 1 })).rejects.toBe(why);
    server.end(why);
    expect(aborted).toBe(true);
    server.emit("ticked", { count: 1 });
    client.end(new WorkbenchError("io", "A second end changes nothing."));
    await expect(client.request("double", { value: 1 })).rejects.toBe(why);
  });

  it("happens by itself when the channel no longer accepts messages", async () => {
    const broken: Channel = {
      post: () => {
        throw new Error("channel closed");
      },
      listen: () => undefined,
    };
    const client = new Connection<Requests, Events, Empty, Empty>(broken, {}, { onFault: () => undefined });
    await expect(client.request("double", { value: 1 })).rejects.toMatchObject({
      code: "io",
      message: "The connection broke: channel closed.",
    });
  });
});

it("invalid messages are reported as errors and break nothing", async () => {
  const { client, faults, far } = pair();
  far.post({ kind: "greeting" });
  far.post({ kind: "result", id: 99, result: 1 });
  far.post({ kind: "cancel", id: 99 });
  far.post(null);
  far.post("text");
  await turn();
  expect(faults.map(({ code }) => code)).toEqual(["internal", "internal", "internal"]);
  expect(await client.request("double", { value: 1 })).toBe(2);
});
