import { describe, expect, test } from "vitest";
import { readYaml } from "../../../src/backend/experiment/yamlText";

const faults = (text: string) => readYaml(text).faults.map(({ start, message }) => `${start}: ${message}`);

describe("YAML with positions", () => {
  test("a path is found by key and by value, even through an alias", () => {
    const text = "a: &x {b: [1, 22]}\nc: *x\n";
    const [document] = readYaml(text).documents;
    const at = (path: (string | number)[], part?: "key" | "value") => {
      const found = document!.find(path, part);
      return found && text.slice(found.start, found.end);
    };
    expect(document!.value).toEqual({ a: { b: [1, 22] }, c: { b: [1, 22] } });
    expect(at(["a", "b", 1])).toBe("22");
    expect(at(["a", "b"], "key")).toBe("b");
    expect(at(["c", "b", 1])).toBe("22");
    expect(at(["c", "d"])).toBeUndefined();
  });

  test("numbers are those of YAML 1.2", () => {
    expect(readYaml("[1e-3, 0x10, 1_000, yes, ~, .5]").documents[0]!.value).toEqual([
      0.001,
      16,
      "1_000",
      "yes",
      null,
      0.5,
    ]);
  });

  test("broken text is reported with its place", () => {
    expect(
      [
        "a: 1\nb: 2\na: 3",
        "a: [1, 2",
        "a: *b",
        "a: &b [*b]",
        "a: !tag 1",
        "1: 2",
        "? [a]\n: 1",
        "__proto__: 1",
        "\ta: 1",
        "a: 'b",
      ].map(faults),
    ).toMatchInlineSnapshot(`
      [
        [
          "10: the key "a" is specified twice",
        ],
        [
          "8: not valid YAML: flow sequence in block collection must be sufficiently indented and end with a ]",
        ],
        [
          "3: the alias *b has no anchor above it",
        ],
        [
          "7: the alias *b refers to a value that contains it",
        ],
        [
          "3: not valid YAML: unresolved tag: !tag",
        ],
        [
          "0: a key must be a word",
        ],
        [
          "0: a key must be a word",
        ],
        [
          "0: a key must be a word",
        ],
        [
          "0: not valid YAML: tabs are not allowed as indentation",
        ],
        [
          "5: not valid YAML: missing closing 'quote",
        ],
      ]
    `);
  });

  test("text that would exhaust the process is refused immediately", () => {
    const started = performance.now();
    const letters = "abcdefghi";
    const aliases = Array.from(
      letters,
      (name, index) =>
        `${name}: &${name} [${Array<string>(9)
          .fill(index === 0 ? "x" : `*${letters[index - 1]!}`)
          .join(", ")}]`,
    ).join("\n");
    expect(faults(aliases)).toMatchInlineSnapshot(`
      [
        "0: not valid YAML: aliases that repeat too much. Write the values out",
      ]
    `);
    for (const deep of ["[", "- ", "a: {", "? ", "[a,"])
      expect(faults(deep.repeat(262_144 / deep.length))[0]).toMatch(/nest deeper than 64 levels/);
    readYaml(Array.from({ length: 20_000 }, (_, index) => `k${index}: 1`).join("\n"));
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});
