import { readdirSync, readFileSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { openData } from "../../../src/backend/data/dataSet";
import { dataSets } from "../../../src/backend/data/datasets/catalog";
import type { DataOptions } from "../../../src/schema/experiment";
import { failureOf, openIn, optionsOf, sharedFile, temporaryFolder, writeFiles } from "./fixtures";

const text = Array.from({ length: 3000 }, (_, i) => `word${i * 7919}`).join(" ");
const options = { text: "*.txt", sequence_len: 32 };

async function folderWithText(): Promise<string> {
  const folder = temporaryFolder();
  await writeFiles(folder, { "a.txt": text });
  return folder;
}

function cacheFiles(folder: string): string[] {
  return readdirSync(path.join(folder, ".cache", "tokens")).map((name) =>
    path.join(folder, ".cache", "tokens", name),
  );
}

async function hashWith(folder: string, more: Partial<DataOptions> = {}): Promise<string> {
  using data = await openIn(folder, { ...options, ...more });
  return data.hash;
}

describe("the hash", () => {
  test("changes with the text, the tokenizer and the sequences, not with the file's name or date", async () => {
    const folder = await folderWithText();
    const first = await hashWith(folder);
    utimesSync(path.join(folder, "a.txt"), 1, 1);
    expect(await hashWith(folder)).toBe(first);
    const renamed = temporaryFolder();
    await writeFiles(renamed, { "other.txt": text });
    expect(await hashWith(renamed)).toBe(first);
    const others: Partial<DataOptions>[] = [
      { sequence_len: 33 },
      { val_fraction: 0.2 },
      { split_seed: 1 },
      { packing: false },
      { document_mask: true },
      { tokenizer: "characters" },
      { max_bytes: 20_000 },
    ];
    const hashes = new Set([first]);
    for (const other of others) hashes.add(await hashWith(folder, other));
    writeFileSync(path.join(folder, "a.txt"), text + "!");
    hashes.add(await hashWith(folder));
    expect(hashes.size).toBe(others.length + 2);
  });
});

describe("the token cache", () => {
  test("is used the second time, without tokenizing the text again", async () => {
    const folder = await folderWithText();
    const steps: string[] = [];
    const context = {
      baseFolder: folder,
      cacheFolder: path.join(folder, ".cache"),
      progress: (_done: number, _total: number, what: string) => steps.push(what),
    };
    using first = await openData(optionsOf(options), context);
    expect(new Set(steps)).toEqual(new Set(["reading", "tokenising"]));
    steps.length = 0;
    using second = await openData(optionsOf(options), context);
    expect(new Set(steps)).toEqual(new Set(["reading"]));
    expect(second.train.batch([3])).toEqual(first.train.batch([3]));
    expect(cacheFiles(folder).length).toBe(1);
  });

  test("one file is used for every sequence length and split; another tokenizer has its own", async () => {
    const folder = await folderWithText();
    await hashWith(folder);
    await hashWith(folder, { sequence_len: 64, val_fraction: 0, document_mask: true });
    expect(cacheFiles(folder).length).toBe(1);
    await hashWith(folder, { tokenizer: "characters" });
    expect(cacheFiles(folder).length).toBe(2);
  });

  test.each<[string, (file: string) => void]>([
    ["cut off", (file) => truncateSync(file, 1000)],
    ["empty", (file) => truncateSync(file, 0)],
    ["changed in one byte of its tokens", (file) => flip(file, 100)],
    ["changed in its table", (file) => flip(file, -300)],
    ["changed in its manifest", (file) => flip(file, -40)],
    ["replaced by something else", (file) => writeFileSync(file, "x".repeat(5000))],
  ])("a file that is %s is rebuilt, with a notice", async (_, damage) => {
    const folder = await folderWithText();
    const intact = await openIn(folder, options);
    const ids = intact.train.read(0, 500);
    intact[Symbol.dispose]();
    const [file] = cacheFiles(folder);
    const bytes = readFileSync(file!);
    damage(file!);
    using again = await openIn(folder, options);
    expect(again.notices.join()).toContain("was damaged and has been rebuilt");
    expect(readFileSync(file!).equals(bytes)).toBe(true);
    expect(again.train.read(0, 500)).toEqual(ids);
    using third = await openIn(folder, options);
    expect(third.notices.join()).not.toContain("damaged");
  });

  test("opening the same data concurrently builds one file and leaves nothing else behind", async () => {
    const folder = await folderWithText();
    const opened = await Promise.all(Array.from({ length: 4 }, () => openIn(folder, options)));
    for (const data of opened) expect(data.train.batch([1, 2])).toEqual(opened[0]!.train.batch([1, 2]));
    for (const data of opened) data[Symbol.dispose]();
    expect(cacheFiles(folder).length).toBe(1);
  });

  test("two processes at once build the same file", async () => {
    const folder = await folderWithText();
    const script = path.join(folder, "open.ts");
    const [data, protocol] = ["src/backend/data/dataSet", "src/schema/experiment"].map((file) =>
      JSON.stringify(path.resolve(file)),
    );
    writeFileSync(
      script,
      `import { openData } from ${data};
       import { dataSchema } from ${protocol};
       openData(dataSchema.parse(${JSON.stringify(options)}), {
         baseFolder: ${JSON.stringify(folder)}, cacheFolder: ${JSON.stringify(path.join(folder, ".cache"))},
       }).then((opened) => console.log(opened.hash, opened.train.read(0, 2000).join()));`,
    );
    const run = promisify(execFile);
    const started = [1, 2].map(() =>
      run(process.execPath, ["--import", "tsx", script], { cwd: process.cwd() }),
    );
    const [first, second] = await Promise.all(started);
    expect(first!.stdout).toContain(await hashWith(folder));
    expect(second!.stdout).toBe(first!.stdout);
    expect(cacheFiles(folder).length).toBe(1);
  });

  test("a stop leaves no half-written file", async () => {
    const folder = await folderWithText();
    const stop = new AbortController();
    const error = await failureOf(
      openData(optionsOf(options), {
        baseFolder: folder,
        cacheFolder: path.join(folder, ".cache"),
        signal: stop.signal,
        progress: (_done, _total, what) => {
          if (what === "tokenising") stop.abort();
        },
      }),
    );
    expect(error.code).toBe("cancelled");
    expect(cacheFiles(folder)).toEqual([]);
  });

  test("a file that changes while it is read is not stored under the old hash", async () => {
    const folder = await folderWithText();
    const error = await failureOf(
      openData(optionsOf(options), {
        baseFolder: folder,
        cacheFolder: path.join(folder, ".cache"),
        progress: (_done, _total, what) => {
          if (what === "tokenising") writeFileSync(path.join(folder, "a.txt"), text + " more");
        },
      }),
    );
    expect(error.message).toContain("a.txt changed while it was read");
    expect(cacheFiles(folder)).toEqual([]);
  });
});

/** Changes one byte; a negative position counts from the end. */
function flip(file: string, at: number): void {
  const bytes = readFileSync(file);
  const position = at < 0 ? bytes.length + at : at;
  bytes[position] = bytes[position]! ^ 1;
  writeFileSync(file, bytes);
}

describe("options", () => {
  test("separate validation and test files", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "a.txt": text, "v/b.txt": text.slice(0, 999), "t/c.txt": "x".repeat(500) });
    using data = await openIn(folder, { ...options, validation_text: "v/*", test_text: "t/*" });
    expect(data.summary.train.bytes).toBe(text.length);
    expect(data.summary.validation!.bytes).toBe(999);
    expect(data.summary.test!.tokens).toBe(501);
    expect(data.notices).toEqual([]);
  });

  test("max_bytes cuts at a character, and the files after it are not hashed", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "a.txt": "ab" + "é".repeat(100), "b.txt": "later" });
    using data = await openIn(folder, { ...options, sequence_len: 4, val_fraction: 0, max_bytes: 101 });
    expect(data.tokenizer.decode(data.train.read(0, data.train.tokens))).toBe("ab" + "é".repeat(49));
    const hash = data.hash;
    await writeFiles(folder, { "b.txt": "changed" });
    using again = await openIn(folder, { ...options, sequence_len: 4, val_fraction: 0, max_bytes: 101 });
    expect(again.hash).toBe(hash);
  });

  test("`**` skips node_modules unless the pattern names it, and a name with brackets is taken literally", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, {
      "x.md": "one ",
      "node_modules/p/y.md": "two ",
      "[z] (1).md": "three ",
    });
    const words = async (pattern: string) => {
      using data = await openIn(folder, { text: pattern, sequence_len: 1, val_fraction: 0 });
      return data.tokenizer.decode(data.train.read(0, data.train.tokens));
    };
    expect(await words("**/*.md")).toBe("three one ");
    expect(await words("node_modules/**/*.md")).toBe("two ");
    expect(await words("[z] (1).md")).toBe("three ");
    expect(await words(path.join(folder, "x.md"))).toBe("one ");
  });

  test("`characters` has exactly the characters of the text, including all splits", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "a.txt": "hello world\n", "b.txt": "HELLO!" });
    using data = await openIn(folder, {
      text: "a.txt",
      validation_text: "b.txt",
      tokenizer: "characters",
      sequence_len: 4,
    });
    expect(data.tokenizer.vocabSize).toBe(new Set("hello world\nHELLO!").size);
    expect(data.train.tokens).toBe(12);
    using both = await openIn(folder, {
      text: "*.txt",
      tokenizer: "characters",
      sequence_len: 4,
      val_fraction: 0,
    });
    expect(both.tokenizer.endOfText).toBe(data.tokenizer.vocabSize);
  });
});

describe("invalid options", () => {
  test.each<[string, Partial<DataOptions>, string, string[]]>([
    ["no source", { text: undefined }, "invalid-input", ["data.text, data.dataset, data.grammar"]],
    ["two sources", { dataset: "wikitext-2" }, "invalid-input", ["data.text and data.dataset"]],
    ["no file", { text: ["*.md", "gone.txt"] }, "not-found", ['"*.md", "gone.txt"']],
    ["a folder", { text: "sub" }, "invalid-input", ["is a folder", "sub/**/*.txt"]],
    ["no validation file", { validation_text: "*.md" }, "not-found", ["data.validation_text"]],
    [
      "an unknown data set",
      { text: undefined, dataset: "wikitext2" },
      "invalid-input",
      ['mean "wikitext-2"'],
    ],
    ["a missing tokenizer", { tokenizer: "gpt5" }, "not-found", ['no tokenizer "gpt5"', "bytes, characters"]],
    [
      "a sequence longer than the data",
      { sequence_len: 1_000_000 },
      "invalid-input",
      ["needs 1000001", "training split"],
    ],
    [
      "an empty validation split",
      { sequence_len: 4000 },
      "invalid-input",
      ["validation split", "val_fraction"],
    ],
    ["nothing left to train on", { val_fraction: 1 }, "invalid-input", ["training split", "0 tokens"]],
  ])("%s is refused with a helpful message", async (_, wrong, code, messages) => {
    const folder = await folderWithText();
    await writeFiles(folder, { "sub/x.txt": "x" });
    const error = await failureOf(openIn(folder, { ...options, ...wrong }));
    expect(error.code).toBe(code);
    for (const message of messages) expect(error.message).toContain(message);
  });

  test("an error for a sequence longer than the data reports the number of tokens", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "a.txt": "twelve chars" });
    const error = await failureOf(openIn(folder, { ...options, val_fraction: 0 }));
    expect(error.message).toContain("has 13 tokens, but a sequence of data.sequence_len 32 needs 33");
  });
});

describe("named datasets", () => {
  test("the catalog contains every file of the folder, and what each entry needs", () => {
    const folder = path.resolve("src/backend/data/datasets");
    const files = readdirSync(folder).filter((name) => name !== "catalog.ts");
    expect(files.map((name) => name.replace(/\.ts$/, "")).sort()).toEqual(Object.keys(dataSets).sort());
    for (const [id, entry] of Object.entries(dataSets)) {
      // For the other datasets, the hub provides the files and their checksums.
      if ("hub" in entry) continue;
      for (const file of [entry.train, entry.validation, entry.test]) {
        if (file === undefined) continue;
        expect(file.sha256, id).toMatch(/^[0-9a-f]{64}$/);
        if (file.url === undefined) expect(file.page, id).toMatch(/^https:/);
        else expect(new URL(file.url).pathname.endsWith(`/${file.name}`), id).toBe(true);
      }
    }
  });

  test("tiny-shakespeare has 65 characters and 202,651 words", async (context) => {
    sharedFile(context, "tiny-shakespeare", "input.txt");
    using data = await openNamed("tiny-shakespeare", { tokenizer: "characters" });
    const { train, validation } = data.summary;
    expect(data.tokenizer.vocabSize).toBe(65);
    expect(train.tokens + validation!.tokens).toBe(1_115_394);
    expect(train.words + validation!.words).toBe(202_651);
    expect(validation!.tokens / 1_115_394).toBeCloseTo(0.1, 3);
  });

  test("tinystories has 2,316 stories and the beginning of another", async (context) => {
    sharedFile(context, "tinystories", "tinystories_sample.txt");
    using data = await openNamed("tinystories", {});
    const { train, validation } = data.summary;
    expect(train.documents + validation!.documents).toBe(2317);
    // 406,378 words minus the 2,316 markers.
    expect(train.words + validation!.words).toBe(404_062);
  });

  test("wikitext-2 and Penn Treebank have the known number of words, counting a line end as one", async (context) => {
    sharedFile(context, "wikitext-2", "test.txt");
    sharedFile(context, "penn-treebank", "ptb.test.txt");
    using wiki = await openNamed("wikitext-2", { sequence_len: 1024 });
    const words = (split: { words: number; lines: number }) => split.words + split.lines;
    expect(words(wiki.summary.train)).toBe(2_088_628);
    expect(words(wiki.summary.validation!)).toBe(217_646);
    expect(words(wiki.summary.test!)).toBe(245_569);
    expect(wiki.summary.test!.bytes).toBe(1_256_449);
    using penn = await openNamed("penn-treebank", {});
    expect(words(penn.summary.train)).toBe(929_589);
    expect(words(penn.summary.validation!)).toBe(73_760);
    expect(words(penn.summary.test!)).toBe(82_430);
  });

  async function openNamed(dataset: string, more: Partial<DataOptions>) {
    const dataFolder = process.env["LATHE_DATA"] ?? path.resolve("..", "shared", "data");
    return openData(optionsOf({ dataset, ...more }), {
      baseFolder: "/",
      cacheFolder: temporaryFolder(),
      dataFolder,
    });
  }

  test("a file in LATHE_DATA with a wrong checksum is refused", async () => {
    const dataFolder = temporaryFolder();
    await writeFiles(dataFolder, { "tiny-shakespeare/input.txt.gz": gzipSync("To be or not to be") });
    const error = await failureOf(
      openData(optionsOf({ dataset: "tiny-shakespeare" }), {
        baseFolder: "/",
        cacheFolder: temporaryFolder(),
        dataFolder,
      }),
    );
    expect(error.message).toMatch(/input\.txt\.gz is not the file of the data set "tiny-shakespeare"/);
  });
});
