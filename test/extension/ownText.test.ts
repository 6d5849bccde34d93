import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { estimatePlan } from "../../src/backend/runs/planning/estimate";
import { expectedTimes } from "../../src/extension/expectedTimes";
import { createOwnTextExperiment, ownTextParameters, summarizeOwnText } from "../../src/extension/ownText";
import { toExperimentPath } from "../../src/extension/experimentPath";
import { file, language } from "../backend/language/editor";

const survey = { pattern: "**/*.txt", files: 4, names: ["a.txt", "b`c.txt", "d.txt"], bytes: 120_000 };

test("the experiment is valid, and its model has the parameters that the text is compared with", async () => {
  for (const text of [
    createOwnTextExperiment(undefined),
    createOwnTextExperiment({ ...survey, files: 0, names: [], bytes: 0 }),
    createOwnTextExperiment(survey),
  ]) {
    expect(language.check({ file, text }).filter(({ severity }) => severity === "error")).toEqual([]);
    const [plan] = language.analyze({ file, text }).plans;
    expect((await estimatePlan(plan!, "/nowhere")).before.total.trainable).toBe(ownTextParameters);
  }
});

test("too little text is reported with files, bytes and tokens, in the list and in the experiment", () => {
  expect(summarizeOwnText(survey)).toBe(
    "4 files (a.txt, b'c.txt, d.txt, …), 120.00 kB: too little text for this model, which can memorize it.",
  );
  const text = createOwnTextExperiment(survey);
  expect(text).toContain(
    "`**/*.txt` matches 4 files (`a.txt`, `b'c.txt`, `d.txt`, …) with 120,000 bytes. Each byte is a token, only 0.22 of them for training for each of the model's 492,416 parameters. **That is too little text**",
  );
  const large = { ...survey, bytes: 5_000_000 };
  expect(summarizeOwnText(large)).toBe("4 files (a.txt, b'c.txt, d.txt, …), 5.00 MB.");
  expect(createOwnTextExperiment(large)).not.toContain("too little");
  expect(summarizeOwnText({ ...survey, files: 0, names: [], bytes: 0 })).toContain("no text in this folder");
});

test.each([
  ["/w/quick", "/w/quick.lathe.md"],
  ["/w/quick.md", "/w/quick.lathe.md"],
  ["/w/quick.lathe", "/w/quick.lathe.md"],
  ["/w/quick.lathe.md", "/w/quick.lathe.md"],
  ["/w/a.txt", "/w/a.txt.lathe.md"],
])("%s names the experiment %s", (typed, written) => {
  expect(toExperimentPath(typed)).toBe(written);
});

test("every example states how long it takes", () => {
  const examples = readdirSync("examples").filter((name) => name.endsWith(".lathe.md"));
  expect(examples.map((name) => name.replace(".lathe.md", "")).sort()).toEqual(
    Object.keys(expectedTimes).sort(),
  );
});
