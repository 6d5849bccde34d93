import { defineDataSet } from "../namedDataSet";

export default defineDataSet({
  title: "SMS Spam Collection",
  folder: "sms-spam",
  licence: "CC BY 4.0",
  purpose: "5,574 messages, ham or spam (13.4 %); 403 rows repeat an earlier one and are left out.",
  columns: {
    format: "tsv",
    quoting: "none",
    header: false,
    label_column: "1",
    text_column: "2",
    labels: ["ham", "spam"],
    drop_duplicates: true,
  },
  train: {
    name: "SMSSpamCollection.tsv",
    page: "https://archive.ics.uci.edu/dataset/228/sms+spam+collection",
    sha256: "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d",
    bytes: 477_907,
  },
});
