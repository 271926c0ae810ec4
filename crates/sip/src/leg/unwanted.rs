//! A 2xx to an INVITE that nobody waits for: CANCEL crossed it, another fork won, the leg is gone, or its way cannot be read.
//! It made a dialog all the same, which gets its ACK and is ended at once (RFC 3261 §9.1, §13.2.2.4).

use crate::Method;
use crate::dialog::Dialog;
use crate::stack::{ClientId, Stack, User};
use crate::wire::Response;

/// More than anybody says before an answer.
const PRACKED: u32 = 100;

/// ACK, and BYE the first time that this fork answers.
pub(crate) fn refuse_answer(stack: &mut Stack, client: ClientId, response: &Response) {
    if !(200..300).contains(&response.status) {
        return;
    }
    let Some((invite, path, first)) = stack.unwanted_answer(client, response) else { return };
    let Some(mut dialog) = Dialog::presumed(&invite, response, path) else { return };
    let ack = dialog.ack(dialog.local_seq(), &stack.config);
    let hop = dialog.next_hop(stack);
    stack.send_ack(ack, hop);
    if first {
        // PRACKs of this fork may have used the numbers after the INVITE's.
        dialog.continue_after(dialog.local_seq() + PRACKED);
        stack.counters.unwanted_answers += 1;
        let bye = dialog.request(Method::Bye, &stack.config);
        stack.send_request(bye, hop, User::Nobody);
    }
}
