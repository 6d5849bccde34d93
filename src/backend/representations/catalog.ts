/** Every representation by its file's name. Written by `npm run generate`. */
import type { AnyRepresentation } from "./representation";
import adapted from "./adapted";
import clustered from "./clustered";
import dense from "./dense";
import diagonal from "./diagonal";
import factored from "./factored";
import grouped from "./grouped";
import hashed from "./hashed";
import indexed from "./indexed";
import masked from "./masked";
import mpo from "./mpo";
import quantised from "./quantised";
import sliced from "./sliced";
import tied from "./tied";

export const representations: Readonly<Record<string, AnyRepresentation>> = {
  adapted,
  clustered,
  dense,
  diagonal,
  factored,
  grouped,
  hashed,
  indexed,
  masked,
  mpo,
  quantised,
  sliced,
  tied,
};
