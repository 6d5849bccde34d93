/** Random steps on the pages of models: what is chosen, opened and ticked is what was chosen. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { writeCheckpoint } from "../../src/backend/checkpoints/checkpoint";
import type { Subject } from "../../src/protocol/service/models";
import { createTinyShape, drawModelTensors } from "../support/subject";
import { findOverlaps } from "./overlaps";
import { noChromium, PageHarness } from "./pageHarness";
import { type Action, type Chance, walk } from "./randomWalk";
import { WrittenRun } from "./sampleRuns";

describe("a random walk", () => {
  const workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-walk-")));
  const experiment = join(workspace, "methods.lathe.md");
  const subjects: Subject[] = [];
  let roles: string[] = [];
  let harness: PageHarness;
  beforeEach(({ skip }) => skip(noChromium !== undefined, noChromium));
  beforeAll(async () => {
    if (noChromium !== undefined) return;
    const shape = createTinyShape("llama");
    for (const name of ["first", "second"]) {
      const path = join(workspace, name);
      mkdirSync(path);
      const tensors = drawModelTensors(shape, 3);
      writeCheckpoint(path, { shape, tensors });
      subjects.push({ kind: "path", path });
    }
    writeFileSync(experiment, "# Methods\n");
    for (const rate of [0.3, 0.6, 0.9])
      await WrittenRun.write(workspace, {
        name: `run ${rate}`,
        variant: "irc",
        experiment: "methods.lathe.md",
        lines: 10,
        sweep: { "compress.irc.rate": rate },
        measured: { "classification/accuracy": 1 - rate / 10, "classification/loss": rate },
      });
    harness = await PageHarness.open(workspace, [experiment]);
    const { roles: listed } = await harness.backend.request("weights.roles", { subject: subjects[0]! });
    roles = listed.map(({ role }) => role);
  });
  afterAll(async () => {
    if (noChromium === undefined) await harness.close();
    rmSync(workspace, { recursive: true, force: true });
  });

  const selectAction = <Model>(
    label: string,
    values: readonly string[],
    chance: Chance,
    set: (model: Model, value: string) => unknown,
  ): Action<Model> => {
    const value = chance.pick(values);
    return { script: `select(${JSON.stringify(label)}, "${value}")`, apply: (model) => set(model, value) };
  };

  it("keeps the choices and the open layers of Parameters equal to what was chosen", async () => {
    const page = await harness.panel("parameters", { subjects }, { width: 1200, height: 900 });
    await page.page.locator(".roles .layer").first().waitFor();
    const titles = (await page.page.locator(".roles .layer b").allInnerTexts()).sort();
    interface Model {
      part: string;
      number: string;
      order: string;
      open: Set<string>;
    }
    const model: Model = { part: "total", number: "stored", order: "model", open: new Set(titles) };
    const choose = (chance: Chance): Action<Model> => {
      switch (chance.below(6)) {
        case 0:
          return selectAction(
            "Compare",
            ["stored", "bytes", "trainable"],
            chance,
            (m: Model, value) => (m.number = value),
          );
        case 1:
          return selectAction("Order", ["model", "share"], chance, (m: Model, value) => (m.order = value));
        case 2: {
          const isOpen = chance.below(2) === 0;
          return {
            script: `press("button", "${isOpen ? "Open all" : "Close all"}")`,
            apply: (m) => (m.open = new Set(isOpen ? titles : [])),
          };
        }
        default: {
          const title = chance.pick(titles);
          return {
            script: `all(".roles .layer button").find((each) => each.querySelector("b").textContent === "${title}").click()`,
            apply: ({ open }) => {
              if (!open.delete(title)) open.add(title);
            },
          };
        }
      }
    };
    const read = `{
      number: named("select", "Compare").value,
      order: named("select", "Order").value,
      open: all(".roles .layer button[aria-expanded=true] b").map((each) => each.textContent).sort(),
      bodies: all(".roles tbody").filter((each) => each.querySelectorAll("tr").length > 1).map((each) => each.querySelector("b").textContent).sort(),
    }`;
    await walk(page, model, choose, read, ({ number, order, open }) => ({
      number,
      order,
      open: [...open].sort(),
      bodies: [...open].sort(),
    }));
    await page.close();
  }, 600_000);

  it("keeps the role, the picture and the switch of Weights equal to what was chosen", async () => {
    const page = await harness.panel(
      "weights",
      { subjects: subjects.slice(0, 1) },
      { width: 1200, height: 900 },
    );
    await page.page.locator(".histogram").waitFor();
    interface Model {
      role: string;
      filter: string;
      picture: string;
      logarithmic: boolean;
    }
    const first = await page.page.locator("h1").innerText();
    const model: Model = { role: first, filter: "", picture: "map", logarithmic: false };
    const isListed = (role: string, filter: string) => role.includes(filter);
    const choose = (chance: Chance, { filter }: Model): Action<Model> => {
      switch (chance.below(6)) {
        case 0:
          return selectAction(
            "Picture",
            ["map", "inputs", "outputs"],
            chance,
            (m: Model, value) => (m.picture = value),
          );
        case 1:
          return {
            script: `document.querySelector("vscode-checkbox").shadowRoot.querySelector("label").click()`,
            apply: (m) => (m.logarithmic = !m.logarithmic),
          };
        case 2: {
          const text = chance.pick(["", "layers.0", "mlp", "embed"]);
          return {
            script: `type(document.querySelector(".side vscode-textfield"), "${text}")`,
            apply: (m) => (m.filter = text),
          };
        }
        default: {
          const listed = roles.filter((role) => isListed(role, filter));
          const role = chance.pick(listed.length === 0 ? roles : listed);
          return {
            script: `all("[role=option] .name").find((each) => each.textContent === "${role}")?.click()`,
            apply: (m) => {
              if (isListed(role, m.filter)) m.role = role;
            },
          };
        }
      }
    };
    const read = `{
      title: document.querySelector("h1")?.textContent,
      chosen: all("[role=option][aria-selected=true] .name").map((each) => each.textContent),
      count: all("[role=option] .name").length,
      picture: named("select", "Picture").value,
      logarithmic: document.querySelector("vscode-checkbox").checked,
      filter: document.querySelector(".side vscode-textfield").value,
    }`;
    await walk(page, model, choose, read, ({ role, filter, picture, logarithmic }) => ({
      title: role,
      chosen: isListed(role, filter) ? [role] : [],
      count: roles.filter((each) => isListed(each, filter)).length,
      picture,
      logarithmic,
      filter,
    }));
    await page.close();
  }, 600_000);

  it("keeps the choices and the front of Shrink equal to what was chosen", async () => {
    const page = await harness.panel("shrink", { experiment }, { width: 1100, height: 900 });
    await page.page.locator(".toolbar input").waitFor();
    interface Model {
      along: string;
      front: boolean;
    }
    const choose = (chance: Chance): Action<Model> =>
      chance.below(2) === 0
        ? selectAction(
            "Along",
            ["rate", "total", "bytes", "packed"],
            chance,
            (m: Model, value) => (m.along = value),
          )
        : { script: `document.querySelector(".toolbar input").click()`, apply: (m) => (m.front = !m.front) };
    const read = `{ along: named("select", "Along").value, front: document.querySelector(".toolbar input").checked }`;
    await walk(page, { along: "rate", front: false }, choose, read, ({ along, front }) => ({ along, front }));
    await page.close();
  }, 600_000);

  it("has room for every control at twice the size", async () => {
    const options = { width: 600, height: 500 };
    const pages = [
      await harness.panel("parameters", { subjects }, options),
      await harness.panel("weights", { subjects }, options),
      await harness.panel("shrink", { experiment }, options),
    ];
    for (const [i, page] of pages.entries()) {
      await page.page.locator(".toolbar select").first().waitFor();
      await page.screenshot(`narrow-${i}`);
      expect(await findOverlaps(page)).toEqual([]);
      await page.close();
    }
  });
});
