/** The five numbers that are always reported together (METHODS of accounting: tied tensors count once). */
export interface Counts {
  /** Scalars that the optimizer may change. */
  readonly trainable: number;
  /** Scalars that have to be stored; tied tensors once, masks not, zeros of a sparse form not. */
  readonly stored: number;
  readonly nonZero: number;
  /** Bits of the stored form, including scales, indices, bitmaps and codebooks. */
  readonly bits: number;
  /** Bytes of the written file. */
  readonly bytes: number;
}

export interface RoleCounts extends Counts {
  readonly role: string;
  /** The layer it belongs to, from 0, and what it is called there; both absent outside the layers. */
  readonly layer?: number;
  readonly inLayer?: string;
  readonly representation: string;
  readonly embedding: boolean;
}

export interface ModelCounts {
  readonly roles: readonly RoleCounts[];
  readonly nonEmbedding: Counts;
  readonly total: Counts;
}
