import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { beforeAll, expect, test } from "vitest";
import { findExtensionTexts, findTexts } from "../../scripts/extensionTexts";
import { setTranslate, t } from "../../src/extension/l10n";
import { someRun } from "./views/someRun";

const root = fileURLToPath(new URL("../..", import.meta.url));
const bundle = JSON.parse(readFileSync(path.join(root, "l10n/bundle.l10n.json"), "utf8")) as Record<
  string,
  string
>;

/** A language in which every text is in brackets, so that what is outside them was not translated. */
function translateToBrackets(message: string, ...args: readonly (string | number)[]): string {
  const text = bundle[message];
  if (text === undefined) throw new Error(`The bundle does not contain: ${message}`);
  return `⟦${text.replace(/\{(\d)\}/g, (_, index: string) => `⟧${args[Number(index)]}⟦`)}⟧`;
}

const removeTranslated = (text: string) => text.replace(/⟦[^⟧]*⟧/g, "");

// Before what presents runs is loaded, as the extension does it.
beforeAll(() => setTranslate(translateToBrackets));

test("texts are filled with their arguments in the order of the translation", () => {
  setTranslate((_message, ...args) => `${args[1]} / ${args[0]}`);
  expect(t("{0} of {1}", 3, 7)).toBe("7 / 3");
  setTranslate(translateToBrackets);
});

test("the bundle contains every text of the extension host", () => {
  expect(Object.keys(bundle)).toEqual([...findExtensionTexts(root)]);
  expect(Object.entries(bundle).filter(([key, text]) => key !== text)).toEqual([]);
  expect(() => findTexts("a.ts", "t(`of ${name}`)")).toThrow("src/extension/a.ts:1");
});

test("what presents runs, groups, alerts and devices is translated throughout", async () => {
  const { presentRun } = await import("../../src/extension/views/runTree/presentRun");
  const { createRunTooltip } = await import("../../src/extension/views/runTree/runTooltip");
  const { summarizeActiveRuns } = await import("../../src/extension/views/runTree/activeRuns");
  const { presentAlert } = await import("../../src/extension/views/runTree/presentAlert");
  const { presentDevice } = await import("../../src/extension/views/deviceTree/presentDevice");
  // Names without a letter, since they are not translated.
  const run = someRun({
    name: "1",
    id: "2",
    variant: "3",
    tags: ["4", "5"],
    star: true,
    state: "running",
    experiment: "/6.lathe.md",
    progress: { action: "7", step: 10, steps: 40, secondsLeft: 8 },
    notices: ["8"],
    notes: "9",
  });
  const row = presentRun(run);
  const active = summarizeActiveRuns([run])!;
  const alert = presentAlert(
    { kind: "failed", run: run.folder, name: "1", message: "1" } as never,
    undefined,
  );
  const device = presentDevice(
    { kind: "device", device: { name: "1", description: "2", works: false, reason: "3", memoryBytes: 4 } },
    true,
  );
  const shown = [
    row.description,
    row.spoken,
    row.click?.title,
    createRunTooltip(run),
    active.tooltip.replace("**Lathe**", ""),
    active.spoken,
    ...alert.actions.map(({ title }) => title),
    device.description,
    device.tooltip,
    device.spoken,
  ].map((text) => removeTranslated(text ?? ""));
  // Units and the names of metrics are the same in every language.
  const words = shown.flatMap((text) => text.match(/[A-Za-z]{2,}(?:\/\w+)?/g) ?? []);
  expect(words.filter((word) => !/^(min|kB|MB|GB|train\/loss|eval\/loss)$/.test(word))).toEqual([]);
  expect(row.spoken).toContain("⟦running⟧");
});

/** What VS Code shows: values of these properties and arguments of these functions. */
const shownProperties =
  /^(title|label|description|detail|tooltip|placeHolder|placeholder|prompt|saveLabel|none|message|text|failureLabel)$/;
const shownArguments = new Map<string, (index: number) => boolean>([
  ["showInformationMessage", () => true],
  ["showWarningMessage", () => true],
  ["showErrorMessage", () => true],
  ["WorkbenchError", (index) => index === 1],
  ["requireTrust", () => true],
  ["separator", () => true],
]);

/** Places where a text that VS Code shows is written in English alone. Titles of the manifest have a file of their own. */
function findUntranslated(file: string, source: string): string[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const check = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^(t|plural)$/.test(node.expression.getText(tree))) return;
    if (ts.isArrowFunction(node) || ts.isObjectLiteralExpression(node)) return;
    const parts = ts.isTemplateExpression(node)
      ? [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)]
      : ts.isStringLiteralLike(node)
        ? [node.text]
        : [];
    const isCompared = ts.isBinaryExpression(node.parent) || ts.isElementAccessExpression(node.parent);
    const isArgument = ts.isCallExpression(node.parent) && !shownArguments.has(getName(node.parent));
    // An icon, as `$(beaker)`, needs no translation.
    if (
      !isCompared &&
      !isArgument &&
      /[A-Za-z]{2,}/.test(parts.join(" ").replace(/\$\([\w~-]+\)|Lathe/g, ""))
    )
      found.push(
        `${file}:${tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1} ${node.getText(tree)}`,
      );
    ts.forEachChild(node, check);
  };
  const getName = (call: ts.CallExpression | ts.NewExpression) =>
    call.expression.getText(tree).split(".").at(-1)!;
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && /^define(Command|View)$/.test(getName(node))) {
      const [definition] = node.arguments;
      if (definition !== undefined && ts.isObjectLiteralExpression(definition))
        for (const property of definition.properties) if (ts.isMethodDeclaration(property)) visit(property);
      return;
    }
    if (ts.isPropertyAssignment(node) && shownProperties.test(node.name.getText(tree)))
      check(node.initializer);
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const isShown = shownArguments.get(getName(node));
      if (isShown !== undefined) (node.arguments ?? []).filter((_, index) => isShown(index)).forEach(check);
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

test("no text that VS Code shows is written in English alone", () => {
  const folder = path.join(root, "src/extension");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  expect(
    files.flatMap((file) => findUntranslated(file, readFileSync(path.join(folder, file), "utf8"))),
  ).toEqual([]);
  expect(
    findUntranslated("a.ts", 'show({ title: `Runs of ${name}`, label: `${a}, ${b}`, id: "x y" })'),
  ).toEqual(["a.ts:1 `Runs of ${name}`"]);
});
