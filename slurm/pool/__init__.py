"""Jobs that hold what several texts can run on at a time, and take more of them until their time is up."""
