/** How LongBench scores each of its datasets, and how many tokens it generates for them. */
import type { Scoring } from "./scores";

export interface LongBenchDataset extends Scoring {
  /** Tokens to generate. */
  readonly tokens: number;
  /** Whether texts are Chinese, so that words of questions and summaries have to be separated first. */
  readonly isChinese?: boolean;
}

export const longBenchDatasets: Readonly<Record<string, LongBenchDataset>> = {
  narrativeqa: { score: "qa_f1", tokens: 128 },
  qasper: { score: "qa_f1", tokens: 128 },
  multifieldqa_en: { score: "qa_f1", tokens: 64 },
  multifieldqa_zh: { score: "qa_f1", tokens: 64, isChinese: true },
  hotpotqa: { score: "qa_f1", tokens: 32 },
  "2wikimqa": { score: "qa_f1", tokens: 32 },
  musique: { score: "qa_f1", tokens: 32 },
  dureader: { score: "rouge_l", tokens: 128, isChinese: true },
  gov_report: { score: "rouge_l", tokens: 512 },
  qmsum: { score: "rouge_l", tokens: 512 },
  multi_news: { score: "rouge_l", tokens: 512 },
  vcsum: { score: "rouge_l", tokens: 512, isChinese: true },
  trec: { score: "classification", tokens: 64, firstLine: true },
  triviaqa: { score: "qa_f1", tokens: 32, firstLine: true },
  samsum: { score: "rouge_l", tokens: 128, firstLine: true },
  lsht: { score: "classification", tokens: 64, firstLine: true, isChinese: true },
  passage_count: { score: "count", tokens: 32 },
  passage_retrieval_en: { score: "retrieval", tokens: 32 },
  passage_retrieval_zh: { score: "retrieval", tokens: 32, isChinese: true },
  lcc: { score: "code_sim", tokens: 64 },
  "repobench-p": { score: "code_sim", tokens: 64 },
};

/** Rows without a dataset: questions. */
export const plainDataset: LongBenchDataset = { score: "qa_f1", tokens: 64 };
