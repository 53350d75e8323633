"""The listener side of WebRTC: ICE-lite, DTLS, SRTP and RTCP on one UDP port."""
