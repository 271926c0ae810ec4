//! One node's control plane: translates between sip, call, queue and media, and holds no policy
