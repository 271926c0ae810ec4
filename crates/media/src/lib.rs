//! The data plane: SDP, RTP, RTCP, codecs, DTMF, prompts, bridges; bytes and time in, bytes out
