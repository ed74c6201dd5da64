import type { AwsRule } from '@postern/contracts';
import { joinMethod, ProofRefused } from '../method.ts';
import { readCaller } from './caller.ts';
import { whyNoRuleAdmits } from './match-rules.ts';
import { readSignedRequest, SignedRequest } from './signed-request.ts';

/**
 * Who signed a `GetCallerIdentity` that names this join is whom AWS says it was. The request is read into facts and built anew from
 * them; only then AWS is asked, and only AWS. What the answer establishes must match a rule of the token.
 */
export const iamMethod = joinMethod({
  name: 'iam',
  proof: SignedRequest,
  hasChallenge: true,
  async verify({ clock, sts }, { token, proof, request, challenge, sourceIp }) {
    const facts = readSignedRequest(proof, { challenge, request, at: clock(), isFipsOnly: sts.isFipsOnly });
    const answer = await sts.ask(facts, { challenge, request, sourceIp });
    const { region, partition } = facts.host;
    const { account, arn, userId } = readCaller(answer, partition);
    // Checked when the token was made.
    const rules = (token.spec['allow'] ?? []) as readonly AwsRule[];
    const reason = whyNoRuleAdmits(rules, { account, arn, userId, region });
    if (reason !== undefined) throw ProofRefused(reason);
    return {
      attributes: {
        aws_account: account,
        aws_arn: arn,
        aws_unique_id: userId,
        aws_region: region,
        aws_partition: partition,
      },
    };
  },
});
