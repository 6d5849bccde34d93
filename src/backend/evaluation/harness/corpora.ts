/** Texts that papers on compression measure perplexity on, joined from rows as the code of GPTQ and SparseGPT joins them. */
import { type DocumentPlaces, readDocuments } from "./documentFiles";
import type { TaskData } from "./task";

interface Corpus {
  readonly data: TaskData;
  readonly split: string;
  readonly column: string;
  /** Between two rows. */
  readonly separator: string;
  /** Read only this many rows, and so many windows. */
  readonly rows?: number;
  readonly windows?: number;
}

export const corpora = {
  wikitext2: {
    data: {
      folder: "wikitext2",
      hub: "Salesforce/wikitext",
      config: "wikitext-2-raw-v1",
      license: "CC BY-SA 3.0",
    },
    split: "test",
    column: "text",
    separator: "\n\n",
  },
  ptb: {
    data: {
      folder: "ptb",
      hub: "ptb-text-only/ptb_text_only",
      config: "penn_treebank",
      license: "that of the LDC",
    },
    split: "test",
    column: "sentence",
    separator: " ",
  },
  c4: {
    data: {
      folder: "c4",
      hub: "allenai/c4",
      file: "en/c4-validation.00000-of-00008.json.gz",
      license: "ODC-BY",
    },
    split: "validation",
    column: "text",
    separator: " ",
    rows: 1100,
    windows: 256,
  },
} as const satisfies Readonly<Record<string, Corpus>>;

export type CorpusName = keyof typeof corpora;

/** The text, and how many windows of it are read. */
export async function readCorpus(
  name: CorpusName,
  places: DocumentPlaces,
): Promise<{ readonly text: string; readonly windows: number }> {
  const { data, split, column, separator, rows, windows = Infinity }: Corpus = corpora[name];
  const documents = await readDocuments(data, split, places, rows);
  const texts = documents.map((document) => document.text(column));
  return { text: texts.join(separator), windows };
}
